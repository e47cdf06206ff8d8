"""Queries from strangers: checked first, then run within bounds."""

from __future__ import annotations

import contextlib
import time
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push.adapters.jmespath_queries import compile_query, run_query
from push.errors import ComputeFailedError, ErrorCode

AIRPORTS = [
    {"iata": "DFW", "name": "Dallas-Fort Worth International", "latitude": 32.9},
    {"iata": "DAL", "name": "Dallas Love", "latitude": 32.8},
    {"iata": "IAH", "name": "George Bush Intercontinental", "latitude": 30.0},
]


def run(expression: str, value: object = None) -> object:
    return run_query(compile_query(expression), AIRPORTS if value is None else value)


def test_a_query_selects_and_projects() -> None:
    assert run("[?latitude < `32.5`].{code: iata}") == [{"code": "IAH"}]


def test_a_query_sorts() -> None:
    assert run("sort_by(@, &latitude)[].iata") == ["IAH", "DAL", "DFW"]


def test_text_in_backticks_needs_no_quotes_and_nobody_is_warned() -> None:
    compile_query.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert run("[?contains(name, `International`)].iata") == ["DFW"]
    assert caught == []


@pytest.mark.parametrize(
    "expression",
    [
        "[",
        "a..b",
        "no_such_function(@)",
        "contains(@)",
        "length(@, @)",
        "[?no_such_function(@)]",
        "'open",
        "@ @",
        "(" * 4000,
        "!" * 4000 + "a",
        "9" * 4096,
    ],
)
def test_what_is_no_query_is_refused_before_it_is_run(expression: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        compile_query(expression)


@pytest.mark.parametrize("expression", ["merge(a)", "not_null(a, b, c)", "map(&a, b)", "@", "[0:2]", "`1`"])
def test_every_way_to_call_and_slice_is_accepted(expression: str) -> None:
    assert compile_query(expression)


@pytest.mark.parametrize("expression", ["sort_by(@, &name)", "[?name > `1`]", "[::0]", "sum([].name)", "avg(@)"])
def test_a_query_that_does_not_fit_the_value_says_so(expression: str) -> None:
    with pytest.raises(ComputeFailedError) as caught:
        run(expression, [{"name": 1}, {"name": "text"}])
    assert caught.value.code is ErrorCode.COMPUTE_FAILED


@pytest.mark.parametrize(
    "expression",
    [
        "|".join(["[@,@]"] * 300),
        "|".join(["{a:@,b:@}"] * 200),
        "|".join(["[@,@]|[]"] * 100),
        "|".join(["map(&[@,@],@)"] * 60),
        "`abcdefgh`|" + "|".join(["join(``,[@,@])"] * 60),
        "|".join(["[@,@]"] * 40) + "|to_string(@)",
        "|".join(["[@,@]"] * 40) + "|@==@",
    ],
)
def test_a_query_that_makes_too_much_is_stopped_at_once(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("push.adapters.jmespath_queries.MAX_SIZE", 1_000_000)
    started = time.perf_counter()
    with pytest.raises(ComputeFailedError) as caught:
        run(expression)
    assert caught.value.code is ErrorCode.TOO_LARGE
    assert time.perf_counter() - started < 2.0


def test_a_query_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("push.adapters.jmespath_queries.MAX_STEPS", 10_000)
    with pytest.raises(ComputeFailedError) as caught:
        run("[?a || a || a || a || a || a || a || a || a]", [{}] * 1000)
    assert caught.value.code is ErrorCode.TOO_LARGE


def test_a_query_that_reads_a_large_value_many_times_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("push.adapters.jmespath_queries.MAX_STEPS", 10_000)
    with pytest.raises(ComputeFailedError):
        run("[" + ",".join(["max(@)"] * 50) + "]", list(range(1000)))


@given(st.text(alphabet="[]{}()@.|&*`'\"abc01,:?!<>= -", max_size=40))
def test_whatever_is_asked_ends_in_a_value_or_a_documented_error(expression: str) -> None:
    try:
        compiled = compile_query(expression)
    except ValueError:
        return
    with contextlib.suppress(ComputeFailedError):
        run_query(compiled, AIRPORTS)
