"""Latencies in an HdrHistogram: bounded memory for any number of times, and sums across processes."""

from __future__ import annotations

import math
from io import BytesIO

from hdrh.histogram import HdrHistogram

_MOST_SECONDS = 24 * 3600
"""A longer time counts as a day: no request may take longer than 15 minutes."""
_DIGITS = 2
"""Significant digits. Three would take seven times the memory, for each second that the report draws."""
_MILLISECOND = 1000


class Histogram:
    """Times in seconds, kept as microseconds to within 0.8 %. Least, most and mean are exact.

    Histograms add up, and pickle by HdrHistogram's own encoding.

    >>> times = Histogram()
    >>> for milliseconds in range(1, 101):
    ...     times.record(milliseconds / 1000)
    >>> round(times.percentile(50), 3), round(times.percentile(99), 3), times.most
    (0.05, 0.099, 0.1)
    """

    __slots__ = ("_counts", "_least", "_total", "most")

    def __init__(self) -> None:
        # In most seconds of a run most histograms stay empty, and counts take 32 KB.
        self._counts: HdrHistogram | None = None
        self._least = math.inf
        self._total = 0.0
        self.most = 0.0

    def record(self, seconds: float) -> None:
        """Count one time; a negative one counts as 0."""
        counts = self._counts or self._make_counts()
        # Comparisons rather than `min` and `max`: the generator records two times for each answer.
        if seconds < 0:
            seconds = 0.0
        counts.record_value(int(seconds * 1e6) if seconds < _MOST_SECONDS else _MOST_SECONDS * 1_000_000)
        self._total += seconds
        if seconds < self._least:
            self._least = seconds
        if seconds > self.most:
            self.most = seconds

    def add(self, other: Histogram) -> None:
        """Add all times of another histogram."""
        if other._counts is None:
            return
        self._make_counts().add(other._counts)
        self._total += other._total
        self._least = min(self._least, other._least)
        self.most = max(self.most, other.most)

    @property
    def count(self) -> int:
        """The number of times."""
        return 0 if self._counts is None else int(self._counts.total_count)

    @property
    def least(self) -> float:
        """The shortest time; 0 if there is none."""
        return 0.0 if self._counts is None else self._least

    @property
    def mean(self) -> float:
        """The mean of the times; 0 if there is none."""
        return self._total / self.count if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """Return the time that `percent` of a hundred times do not exceed; 0 if there is none."""
        return 0.0 if self._counts is None else self._bound(self._counts.get_value_at_percentile(percent))

    def curve(self) -> list[tuple[float, float]]:
        """Return rising percentiles, each with its time: the steps of `.hgrm`, which get finer towards 100."""
        if self._counts is None:
            return []
        steps = self._counts.get_percentile_iterator(5)
        return [(step.percentile_level_iterated_to, self._bound(step.value_iterated_to)) for step in steps]

    def write_hgrm(self) -> str:
        """Return HdrHistogram's own text of the percentiles (`.hgrm`), in milliseconds."""
        counts, text = self._make_counts(), BytesIO()
        counts.output_percentile_distribution(text, _MILLISECOND)
        # hdrhistogram 0.10 scales all values but the deviation.
        head = "StdDeviation   = "
        told, meant = (f"{head}{value:12.2f}" for value in (counts.get_stddev(), counts.get_stddev() / _MILLISECOND))
        return text.getvalue().decode("ascii").replace(told, meant)

    def _make_counts(self) -> HdrHistogram:
        if self._counts is None:
            self._counts = HdrHistogram(1, _MOST_SECONDS * 1_000_000, _DIGITS)
        return self._counts

    def _bound(self, microseconds: float) -> float:
        """Return seconds, within the exact least and most: HdrHistogram gives the upper end of a bucket."""
        return min(max(microseconds / 1e6, self._least), self.most)

    def __getstate__(self) -> tuple[bytes, float, float, float]:
        """Return the encoded counts, whose arrays do not pickle, and the exact figures."""
        encoded = b"" if self._counts is None else bytes(self._counts.encode())
        return encoded, self._least, self._total, self.most

    def __setstate__(self, state: tuple[bytes, float, float, float]) -> None:
        """Restore what `__getstate__` returned."""
        encoded, self._least, self._total, self.most = state
        self._counts = HdrHistogram.decode(encoded) if encoded else None
