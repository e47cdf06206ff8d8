from hypothesis import given
from hypothesis import strategies as st

from pushaside.backoff import a_little_early, full_jitter, growing

chance = st.floats(min_value=0, max_value=1, exclude_max=True)
attempts = st.integers(min_value=0, max_value=10_000)


@given(attempts, chance)
def test_a_wait_is_anywhere_up_to_its_bound(attempt: int, random: float) -> None:
    assert (
        0 <= full_jitter(attempt, random, base_seconds=0.5, cap_seconds=30.0) <= min(30.0, 0.5 * 2 ** min(attempt, 9))
    )


@given(attempts, chance)
def test_patience_never_falls_below_its_floor(attempt: int, random: float) -> None:
    assert 10.0 <= growing(attempt, random, base_seconds=10.0, cap_seconds=60.0) <= 75.0


@given(chance)
def test_a_connection_is_replaced_at_most_a_tenth_before_its_time(random: float) -> None:
    assert 5940.0 <= a_little_early(6600.0, random) <= 6600.0
