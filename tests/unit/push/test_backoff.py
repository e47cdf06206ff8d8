"""Backoffs: jittered, and bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from push.backoff import backoff_seconds

RANDOM = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 1000), RANDOM)
def test_a_backoff_is_jittered_under_a_ceiling_that_doubles(attempt: int, random: float) -> None:
    assert 0 <= backoff_seconds(attempt, random) <= min(60.0, 2.0 ** (attempt - 1))


def test_a_backoff_of_full_jitter_reaches_from_nothing_to_the_ceiling() -> None:
    assert [backoff_seconds(3, random) for random in (0.0, 0.5, 1.0)] == [0.0, 2.0, 4.0]
    assert backoff_seconds(20, 1.0, base_seconds=0.1, cap_seconds=5.0) == 5.0
