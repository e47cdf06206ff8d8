"""The circuit breaker: when it opens, when it lets a probe through, and when it closes."""

from __future__ import annotations

import pytest

from push.circuit_breaker import FAILURES_TO_OPEN, FIRST_PAUSE_MS, LONGEST_PAUSE_MS, CircuitBreaker


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker(random=lambda: 0.0)


def open_at(breaker: CircuitBreaker, now_ms: float) -> None:
    for _ in range(FAILURES_TO_OPEN):
        breaker.record_failure(now_ms)


def pause_before_next_probe(breaker: CircuitBreaker, now_ms: int) -> int:
    """Return the milliseconds until a try is let through."""
    return next(passed for passed in range(LONGEST_PAUSE_MS + 1) if breaker.lets_through(now_ms + passed))


def test_tries_are_let_through_until_enough_have_failed_in_a_row(breaker: CircuitBreaker) -> None:
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.record_failure(0)
        assert breaker.lets_through(0)
    breaker.record_failure(0)
    assert not breaker.lets_through(0)


def test_one_success_forgives_the_failures_before_it(breaker: CircuitBreaker) -> None:
    for _ in range(10):
        for _ in range(FAILURES_TO_OPEN - 1):
            breaker.record_failure(0)
        breaker.record_success()
    assert breaker.lets_through(0)


def test_open_it_lets_one_probe_through_after_the_pause(breaker: CircuitBreaker) -> None:
    open_at(breaker, 1000)
    assert not breaker.lets_through(1000 + FIRST_PAUSE_MS - 1)
    assert [breaker.lets_through(1000 + FIRST_PAUSE_MS) for _ in range(3)] == [True, False, False]


def test_a_probe_that_succeeds_closes_it(breaker: CircuitBreaker) -> None:
    open_at(breaker, 0)
    assert breaker.lets_through(FIRST_PAUSE_MS)
    breaker.record_success()
    assert not breaker.is_open
    assert all(breaker.lets_through(FIRST_PAUSE_MS) for _ in range(3))


def test_one_failure_after_it_closed_does_not_open_it_again(breaker: CircuitBreaker) -> None:
    open_at(breaker, 0)
    breaker.record_success()
    breaker.record_failure(0)
    assert breaker.lets_through(0)


def test_a_probe_that_fails_late_is_followed_by_a_whole_pause(breaker: CircuitBreaker) -> None:
    open_at(breaker, 0)
    assert breaker.lets_through(FIRST_PAUSE_MS)
    failed_at_ms = FIRST_PAUSE_MS + 300
    breaker.record_failure(failed_at_ms)
    assert pause_before_next_probe(breaker, failed_at_ms) == 2 * FIRST_PAUSE_MS


def test_a_probe_whose_outcome_is_never_told_is_followed_by_another(breaker: CircuitBreaker) -> None:
    open_at(breaker, 0)
    assert breaker.lets_through(FIRST_PAUSE_MS)
    assert pause_before_next_probe(breaker, FIRST_PAUSE_MS) == 2 * FIRST_PAUSE_MS


def test_the_pause_doubles_up_to_the_longest_and_starts_anew_after_a_success(breaker: CircuitBreaker) -> None:
    now_ms, pauses = 0, []
    open_at(breaker, now_ms)
    for _ in range(7):
        pauses.append(pause_before_next_probe(breaker, now_ms))
        now_ms += pauses[-1]
        breaker.record_failure(now_ms)
    assert pauses == [50, 100, 200, 400, 800, 1000, 1000]
    breaker.record_success()
    open_at(breaker, now_ms)
    assert pause_before_next_probe(breaker, now_ms) == FIRST_PAUSE_MS


def test_failures_of_tries_begun_before_it_opened_do_not_lengthen_the_pause(breaker: CircuitBreaker) -> None:
    open_at(breaker, 0)
    for _ in range(20):
        breaker.record_failure(0)
    assert pause_before_next_probe(breaker, 0) == FIRST_PAUSE_MS


@pytest.mark.parametrize(("random", "pause_ms"), [(0.0, 50), (0.4, 40), (0.98, 26)])
def test_pauses_are_spread_over_their_second_half(random: float, pause_ms: int) -> None:
    breaker = CircuitBreaker(random=lambda: random)
    open_at(breaker, 0)
    assert pause_before_next_probe(breaker, 0) == pause_ms
