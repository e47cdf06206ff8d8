"""HdrHistogram's text of percentiles (`.hgrm`), which other people's plotters read.

The form, its steps among them, is that of `outputPercentileDistribution` of HdrHistogram
(https://github.com/HdrHistogram/HdrHistogram, `AbstractHistogram` and `PercentileIterator`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pushaside_tools.load.histogram import SUB_BUCKETS, Histogram

_TICKS = 5
"""Steps in each half of the way to 100 %: HdrHistogram's own choice."""


@dataclass(frozen=True, slots=True)
class Step:
    """A point of the curve: `count` times are no longer than `seconds`, which `percent` of a hundred are not."""

    seconds: float
    percent: float
    count: int


def percentile_steps(times: Histogram, ticks: int = _TICKS) -> Iterator[Step]:
    """Give the curve of percentiles in steps, so many in each half of the way that is left to 100.

    >>> times = Histogram()
    >>> for milliseconds in (1, 2, 3, 4):
    ...     times.record(milliseconds / 1000)
    >>> [step.percent for step in percentile_steps(times, ticks=1)]
    [0.0, 50.0, 75.0, 87.5, 100.0]
    """
    counted, percent = 0, 0.0
    for seconds, count in times.rising():
        counted += count
        if counted == times.count:
            break
        while 100.0 * counted / times.count >= percent:
            yield Step(seconds, percent, counted)
            percent += 100.0 / _steps_at(percent, ticks)
    if times.count:
        # In the last bucket the steps end at the first that only its last time reaches.
        yield Step(seconds, percent, counted)
        yield Step(seconds, 100.0, counted)


def _steps_at(percent: float, ticks: int) -> int:
    halves = int(math.log2(100.0 / (100.0 - percent))) + 1
    return ticks << halves


def write_hgrm(times: Histogram) -> str:
    """Write the percentiles of times, in milliseconds."""
    lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
    for step in percentile_steps(times):
        line = f"{step.seconds * 1000:12.3f} {step.percent / 100:14.12f} {step.count:10d}"
        lines.append(line if step.percent == 100 else f"{line} {100 / (100 - step.percent):14.2f}")
    deviation, buckets = times.deviation * 1000, _count_buckets(times)
    lines += [
        f"#[Mean    = {times.mean * 1000:12.3f}, StdDeviation   = {deviation:12.3f}]",
        f"#[Max     = {times.most * 1000:12.3f}, Total count    = {times.count:12d}]",
        f"#[Buckets = {buckets:12d}, SubBuckets     = {SUB_BUCKETS:12d}]",
    ]
    return "\n".join([*lines, ""])


def _count_buckets(times: Histogram) -> int:
    """Count the doublings that the longest time needs, as HdrHistogram does."""
    return max(1, int(times.most * 1e6).bit_length() - SUB_BUCKETS.bit_length() + 2)
