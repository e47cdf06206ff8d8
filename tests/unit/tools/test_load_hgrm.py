import itertools
import re

import pytest

from pushaside_tools.load.hgrm import percentile_steps, write_hgrm
from pushaside_tools.load.histogram import Histogram

GOLDEN = """\
       Value     Percentile TotalCount 1/(1-Percentile)

       0.001 0.000000000000          1           1.00
       0.001 0.100000000000          1           1.11
       0.001 0.200000000000          1           1.25
       0.002 0.300000000000          2           1.43
       0.002 0.400000000000          2           1.67
       0.002 0.500000000000          2           2.00
       0.003 0.550000000000          3           2.22
       0.003 0.600000000000          3           2.50
       0.003 0.650000000000          3           2.86
       0.003 0.700000000000          3           3.33
       0.003 0.750000000000          3           4.00
       0.004 0.775000000000          4           4.44
       0.004 1.000000000000          4
#[Mean    =        0.003, StdDeviation   =        0.001]
#[Max     =        0.004, Total count    =            4]
#[Buckets =            1, SubBuckets     =          256]
"""
"""What hdr-histogram-js 3.0.1 writes of 1, 2, 3 and 4 µs in milliseconds, with three decimals where it has two."""


def times_of(*microseconds: float) -> Histogram:
    times = Histogram()
    for each in microseconds:
        times.record(each / 1e6)
    return times


def test_the_text_is_hdrhistograms() -> None:
    assert write_hgrm(times_of(1.1, 2.1, 3.1, 4.1)) == GOLDEN


def test_half_of_the_steps_is_in_the_first_half_and_a_fourth_in_the_next() -> None:
    percents = [step.percent for step in percentile_steps(times_of(*range(1, 200)))]

    assert percents[:11] == pytest.approx([0, 10, 20, 30, 40, 50, 55, 60, 65, 70, 75])
    assert percents[-1] == 100


def test_percentiles_and_values_never_fall() -> None:
    steps = list(percentile_steps(times_of(*(7 * number**2 % 50_021 for number in range(3000)))))

    for earlier, later in itertools.pairwise(steps):
        assert earlier.seconds <= later.seconds
        assert earlier.percent < later.percent
        assert earlier.count <= later.count
    assert steps[-1].count == 3000


def test_the_value_of_a_step_is_exceeded_by_no_more_than_the_rest() -> None:
    every = sorted(7 * number**2 % 50_021 for number in range(3000))

    for step in percentile_steps(times_of(*every)):
        within = sum(1 for each in every if each / 1e6 <= step.seconds)
        assert within >= step.count >= step.percent / 100 * 3000 - 1e-6


def test_the_last_value_is_the_exact_most() -> None:
    assert list(percentile_steps(times_of(5, 123_456.5)))[-1].seconds == 123_456.5 / 1e6


def test_as_many_buckets_are_told_as_the_longest_time_needs() -> None:
    told = [re.search(r"Buckets = +(\d+)", write_hgrm(times_of(most)))[1] for most in (255.5, 256.5, 512.5)]

    assert told == ["1", "2", "3"]


def test_nothing_counted_is_a_text_without_steps() -> None:
    lines = write_hgrm(Histogram()).splitlines()

    assert len(lines) == 5
    assert "Total count    =            0" in lines[3]
