"""Attempts spread over about a day, later if the receiver asks for it, in hops that SQS can carry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push.durable.webhook_schedule import (
    DELAYS_SECONDS,
    MAX_HOP_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    hop_seconds,
    next_attempt_at_ms,
    parse_retry_after,
)
from tests.builders.results import NOW_MS


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 5), (2, 300), (3, 1800), (4, 7200), (5, 18000), (6, 36000)])
def test_each_attempt_is_left_more_time_than_the_one_before(attempt: int, seconds: int) -> None:
    assert next_attempt_at_ms(attempt, NOW_MS, 0.0) == NOW_MS + seconds * 1000


@given(st.integers(1, 6), st.floats(0, 1, exclude_max=True))
def test_jitter_adds_a_quarter_at_most(attempt: int, random: float) -> None:
    at = next_attempt_at_ms(attempt, NOW_MS, random)
    assert at is not None
    assert DELAYS_SECONDS[attempt - 1] * 1000 <= at - NOW_MS <= DELAYS_SECONDS[attempt - 1] * 1250


@pytest.mark.parametrize(("random", "hours"), [(0.0, 17), (0.999, 22)])
def test_the_last_attempt_is_made_within_about_a_day(random: float, hours: int) -> None:
    at = NOW_MS
    attempt = 1
    while (next_at := next_attempt_at_ms(attempt, at, random)) is not None:
        at, attempt = next_at, attempt + 1
    assert (attempt, (at - NOW_MS) // 3_600_000) == (7, hours - (random > 0.5))


def test_a_receiver_is_left_alone_for_as_long_as_it_asks() -> None:
    assert next_attempt_at_ms(1, NOW_MS, 0.0, retry_after_seconds=120.0) == NOW_MS + 120_000


def test_but_is_not_called_sooner_for_it() -> None:
    assert next_attempt_at_ms(2, NOW_MS, 0.0, retry_after_seconds=1.0) == NOW_MS + 300_000


def test_and_not_left_alone_for_ever() -> None:
    at = next_attempt_at_ms(1, NOW_MS, 0.0, retry_after_seconds=1e9)
    assert at == NOW_MS + MAX_RETRY_AFTER_SECONDS * 1000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("9" * 400, MAX_RETRY_AFTER_SECONDS),
        ("Tue, 19 Nov 2024 07:07:40 GMT", 60.0),
        ("Tue, 19 Nov 2024 07:07:40", 60.0),
        ("Tuesday, 19-Nov-24 07:07:40 GMT", 60.0),
        ("Tue, 19 Nov 2024 08:07:40 +0100", 60.0),
        ("Tue, 19 Nov 2024 07:00:00 GMT", 0.0),
        ("Tue, 19 Nov 2054 07:00:00 GMT", MAX_RETRY_AFTER_SECONDS),
        ("-5", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("²", 0.0),
        ("Tue, 99 Nov 2024 07:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float) -> None:
    assert NOW_MS == 1_732_000_000_000  # Tue, 19 Nov 2024 07:06:40 GMT
    assert parse_retry_after(text, NOW_MS) == seconds


@given(st.text(max_size=40))
def test_any_retry_after_is_a_bounded_wait(text: str) -> None:
    assert 0.0 <= parse_retry_after(text, NOW_MS) <= MAX_RETRY_AFTER_SECONDS


@given(st.integers(0, 2 * 86_400_000))
def test_hops_of_at_most_fifteen_minutes_lead_to_any_time(delay_ms: int) -> None:
    now, due = NOW_MS, NOW_MS + delay_ms
    hops = 0
    while seconds := hop_seconds(due, now):
        assert 1 <= seconds <= MAX_HOP_SECONDS
        now += seconds * 1000
        hops += 1
    assert due - 1000 <= now < due + 1000 or hops == 0
    assert hops <= delay_ms // 900_000 + 1
