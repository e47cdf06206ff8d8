import math
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushaside_tools.load.histogram import Histogram

TIMES = st.lists(st.floats(min_value=0.0, max_value=10_000.0), min_size=1, max_size=50)


def histogram_of(times: list[float]) -> Histogram:
    histogram = Histogram()
    for each in times:
        histogram.record(each)
    return histogram


def facts_of(histogram: Histogram) -> tuple[object, ...]:
    percentiles = [histogram.percentile(percent) for percent in (0, 1, 50, 90, 99, 99.9, 100)]
    mean = pytest.approx(histogram.mean)
    return (histogram.count, histogram.least, mean, histogram.most, *percentiles)


@given(TIMES, st.sampled_from([1.0, 50.0, 90.0, 99.0, 99.9, 100.0]))
def test_a_percentile_is_near_the_time_of_that_rank(times: list[float], percent: float) -> None:
    # HdrHistogram rounds ranks to the nearest.
    rank = max(1, math.floor(len(times) * percent / 100 + 0.5))

    assert histogram_of(times).percentile(percent) == pytest.approx(sorted(times)[rank - 1], rel=0.009, abs=2e-6)


@given(TIMES)
def test_least_most_and_mean_are_exact_and_bound_the_percentiles(times: list[float]) -> None:
    histogram = histogram_of(times)

    assert (histogram.least, histogram.most) == (min(times), max(times))
    assert histogram.mean == pytest.approx(sum(times) / len(times))
    assert histogram.least <= histogram.percentile(1) <= histogram.percentile(100) <= histogram.most
    assert histogram.percentile(100) == pytest.approx(histogram.most, abs=1e-6)


def test_all_percentiles_of_one_time_are_that_time() -> None:
    histogram = histogram_of([0.0123456789])

    assert histogram.percentile(0.1) == histogram.percentile(99.9) == 0.0123456789


@given(TIMES, TIMES)
def test_histograms_of_two_processes_add_up_to_that_of_all_times(some: list[float], others: list[float]) -> None:
    added = histogram_of(some)
    added.add(pickle.loads(pickle.dumps(histogram_of(others))))

    assert facts_of(added) == facts_of(histogram_of([*some, *others]))


def test_an_empty_histogram_is_zero_before_and_after_a_pipe() -> None:
    empty = pickle.loads(pickle.dumps(Histogram()))
    empty.add(Histogram())

    assert facts_of(empty) == facts_of(Histogram()) == (0,) * 11
    assert empty.curve() == []


def test_an_empty_histogram_takes_the_times_of_another() -> None:
    added = Histogram()
    added.add(histogram_of([0.1, 0.2]))

    assert facts_of(added) == facts_of(histogram_of([0.1, 0.2]))


def test_times_below_zero_and_above_a_day_are_counted_at_the_ends() -> None:
    histogram = histogram_of([-1.0, 1e9])

    assert (histogram.count, histogram.least, histogram.most) == (2, 0.0, 1e9)
    assert (histogram.percentile(50), histogram.percentile(99)) == (0.0, pytest.approx(86_400, rel=0.009))


def test_the_curve_rises_to_all_times() -> None:
    curve = histogram_of([7 * number**2 % 50_021 / 1e6 for number in range(3000)]).curve()

    assert curve == sorted(curve)
    assert curve[0][0] == 0
    assert curve[-1] == (100.0, pytest.approx(0.05, rel=0.01))


def test_hgrm_is_in_milliseconds() -> None:
    text = histogram_of([0.001, 0.002, 0.003, 0.004]).write_hgrm()

    rows = [line.split() for line in text.splitlines() if re.match(r" +\d", line)]
    assert text.startswith("       Value     Percentile TotalCount 1/(1-Percentile)\n\n")
    assert rows[0] == ["1.00", "0.000000000000", "1", "1.00"]
    assert rows[-1] == ["4.01", "1.000000000000", "4"]
    assert "#[Mean    =         2.50, StdDeviation   =         1.12]" in text
    assert "TotalCount     =         4.00]" in text


def test_hgrm_of_nothing_has_no_steps() -> None:
    lines = Histogram().write_hgrm().splitlines()

    assert len(lines) == 5
    assert "TotalCount     =         0.00]" in lines[3]
