"""When a result may be answered, and how long it is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from push.cache.freshness import JITTER, Freshness, judge, lifetime
from push.results import Status
from tests.builders.results import NOW_MS, echo, make_result

RESULT = make_result(fresh_ms=10_000, stale_ms=60_000)
RANDOM = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("age_ms", "freshness"),
    [
        (0, Freshness.FRESH),
        (9_999, Freshness.FRESH),
        (10_000, Freshness.STALE),
        (69_999, Freshness.STALE),
        (70_000, Freshness.UNUSABLE),
        (-5_000, Freshness.FRESH),
    ],
)
def test_a_result_is_fresh_then_stale_then_nothing(age_ms: int, freshness: Freshness) -> None:
    assert judge(RESULT, NOW_MS + age_ms) is freshness


@pytest.mark.parametrize(
    ("max_age_ms", "age_ms", "freshness"),
    [
        (0, 0, Freshness.UNUSABLE),
        (1, 0, Freshness.FRESH),
        (5_000, 4_999, Freshness.FRESH),
        (5_000, 5_000, Freshness.UNUSABLE),
        (20_000, 15_000, Freshness.STALE),
        (20_000, 20_000, Freshness.UNUSABLE),
        (10**12, 70_000, Freshness.UNUSABLE),
    ],
)
def test_the_caller_may_ask_for_newer_but_not_for_older(max_age_ms: int, age_ms: int, freshness: Freshness) -> None:
    assert judge(RESULT, NOW_MS + age_ms, max_age_ms) is freshness


def test_what_a_change_made_stale_is_not_fresh() -> None:
    changed = replace(RESULT, is_invalidated=True)
    assert judge(changed, NOW_MS) is Freshness.STALE
    assert judge(changed, NOW_MS + 70_000) is Freshness.UNUSABLE


@given(RANDOM)
def test_lifetimes_are_spread_downwards_only(random: float) -> None:
    fresh_until_ms, stale_until_ms = lifetime(echo, Status.VALUE, NOW_MS, random)
    assert NOW_MS + 10_000 * (1 - JITTER) - 1 <= fresh_until_ms <= NOW_MS + 10_000
    assert stale_until_ms == fresh_until_ms + 60_000


@given(RANDOM)
def test_a_failure_is_remembered_briefly_and_never_stale(random: float) -> None:
    fresh_until_ms, stale_until_ms = lifetime(echo, Status.FAILURE, NOW_MS, random)
    assert fresh_until_ms == stale_until_ms <= NOW_MS + 2_000
