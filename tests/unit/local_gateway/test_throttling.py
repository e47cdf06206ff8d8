"""A route's tokens: how many there are at once, and how fast they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.api import Throttle
from local.gateway.throttling import TokenBucket, bucket


def taken(tokens: TokenBucket, times: int, now: float) -> int:
    return sum(tokens.take(now) for _ in range(times))


def test_as_many_as_the_burst_are_taken_at_once() -> None:
    assert taken(TokenBucket(Throttle(10.0, 3), 100.0), 5, 100.0) == 3


def test_tokens_come_at_the_rate() -> None:
    tokens = TokenBucket(Throttle(10.0, 3), 0.0)
    assert taken(tokens, 3, 0.0) == 3
    assert not tokens.take(0.05)
    assert tokens.take(0.11)
    assert not tokens.take(0.12)


def test_no_more_than_the_burst_are_kept() -> None:
    tokens = TokenBucket(Throttle(10.0, 3), 0.0)
    assert taken(tokens, 10, 3600.0) == 3


@pytest.mark.parametrize("throttle", [Throttle(0.0, 0), Throttle(10.0, 0)])
def test_a_bucket_that_holds_nothing_lets_nothing_pass(throttle: Throttle) -> None:
    assert taken(TokenBucket(throttle, 0.0), 5, 60.0) == 0


@given(st.lists(st.floats(0, 2), max_size=100), st.integers(1, 50), st.integers(1, 20))
def test_never_more_pass_than_the_burst_and_what_came_since(steps: list[float], rate: int, burst: int) -> None:
    tokens, now, passed = TokenBucket(Throttle(float(rate), burst), 0.0), 0.0, 0
    for step in steps:
        now += step
        passed += tokens.take(now)
    assert passed <= burst + rate * now + 1e-6


@pytest.mark.parametrize(("throttle", "is_kept"), [(None, True), (Throttle(1.0, 1), False)])
def test_there_is_no_bucket_where_nothing_is_throttled(throttle: Throttle | None, is_kept: bool) -> None:
    assert bucket(throttle, 0.0, is_kept=is_kept) is None
