import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushaside_tools.load.histogram import Histogram, bucket_of, middle_of

TIMES = st.lists(st.floats(min_value=0.0, max_value=10_000.0), min_size=1, max_size=200)


def histogram_of(times: list[float]) -> Histogram:
    histogram = Histogram()
    for each in times:
        histogram.record(each)
    return histogram


@given(st.integers(min_value=0, max_value=10**13))
def test_the_middle_of_a_bucket_is_within_a_hundredth_of_what_belongs_to_it(microseconds: int) -> None:
    assert abs(middle_of(bucket_of(microseconds)) - microseconds) <= microseconds * 0.008


@given(st.integers(min_value=0, max_value=10**13))
def test_longer_times_never_belong_to_an_earlier_bucket(microseconds: int) -> None:
    assert 0 <= bucket_of(microseconds + 1) - bucket_of(microseconds) <= 1


@given(TIMES, st.sampled_from([0.1, 50.0, 90.0, 99.0, 99.9, 100.0]))
def test_a_percentile_is_near_the_time_of_that_rank(times: list[float], percent: float) -> None:
    exact = sorted(times)[max(1, math.ceil(len(times) * percent / 100)) - 1]

    assert histogram_of(times).percentile(percent) == pytest.approx(exact, rel=0.009, abs=2e-6)


@given(TIMES, TIMES)
def test_two_histograms_add_up_to_that_of_all_times(some: list[float], others: list[float]) -> None:
    added = histogram_of(some)
    added.add(pickle.loads(pickle.dumps(histogram_of(others))))

    whole = histogram_of([*some, *others])
    assert (added.counts, added.count, added.least, added.most) == (
        whole.counts,
        whole.count,
        whole.least,
        whole.most,
    )
    assert added.mean == pytest.approx(whole.mean)


def test_least_and_most_are_exact_and_bound_the_percentiles() -> None:
    histogram = histogram_of([0.0123456789])

    assert histogram.least == histogram.most == histogram.percentile(0.1) == histogram.percentile(99.9) == 0.0123456789


def test_of_nothing_all_is_zero() -> None:
    assert (Histogram().percentile(99), Histogram().mean, Histogram().most) == (0.0, 0.0, 0.0)


def test_a_million_different_times_take_few_buckets() -> None:
    assert len({bucket_of(microseconds) for microseconds in range(0, 30_000_000, 30)}) < 2_500
