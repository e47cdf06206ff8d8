import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushaside_tools.load.schedule import Schedule, share

RATES = st.floats(min_value=0.01, max_value=100_000.0)


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_the_processes_together_keep_the_rate_at_even_intervals(processes: int) -> None:
    schedules = [Schedule(210.0, process, processes) for process in range(processes)]

    due = sorted(schedule.at(index) for schedule in schedules for index in range(210 // processes))

    assert due == pytest.approx([index / 210 for index in range(210)])


@given(RATES, st.integers(1, 8), st.floats(min_value=0.01, max_value=10.0))
def test_what_is_counted_is_what_is_due_before(rate: float, processes: int, seconds: float) -> None:
    for process in range(processes):
        schedule = Schedule(rate, process, processes)
        count = schedule.count_before(seconds)
        assert schedule.at(count) >= seconds
        assert count == 0 or schedule.at(count - 1) < seconds


@given(st.integers(1, 10_000), st.integers(1, 16))
def test_shares_add_up_and_differ_by_one_at_most(total: int, processes: int) -> None:
    shares = [share(total, process, processes) for process in range(processes)]

    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1
