import pytest

from pushaside_tools.load.series import Series
from pushaside_tools.load.tally import Interval, Tally

ORIGIN = 100.0


def interval(began: float, ended: float, *, process: int = 0, sent: int = 1) -> Interval:
    return Interval(process, ORIGIN + began, ORIGIN + ended, Tally(sent=sent))


def sent(series: Series) -> list[int]:
    return [point.tally.sent for point in series.points]


def test_what_processes_count_in_the_same_second_is_one_point() -> None:
    series = Series(ORIGIN)
    for each in (interval(0, 1.01, sent=3), interval(0, 1, process=1, sent=4), interval(1.01, 2, sent=5)):
        series.add(each)

    assert sent(series) == [7, 5]
    assert [point.seconds for point in series.points] == pytest.approx([1.01, 0.99])


def test_a_second_of_which_nobody_reported_is_empty() -> None:
    series = Series(ORIGIN)
    series.add(interval(2, 3))

    assert sent(series) == [0, 0, 1]


def test_what_began_before_counts_from_the_beginning() -> None:
    series = Series(ORIGIN)
    series.add(interval(-5, 1))
    series.add(interval(-5, -1))

    assert sent(series) == [2]
    assert series.points[0].seconds == pytest.approx(1.0)


def test_a_long_run_has_longer_steps_rather_than_more() -> None:
    series = Series(ORIGIN, most=4)
    for second in range(10):
        series.add(interval(second, second + 1, sent=second))

    assert (series.step, sent(series)) == (4.0, [0 + 1 + 2 + 3, 4 + 5 + 6 + 7, 8 + 9])
    assert [point.seconds for point in series.points] == [4.0, 4.0, 2.0]
