"""Which readers refresh a result before it expires."""

from __future__ import annotations

import math

import pytest

from push.cache.freshness import is_due_early
from push.results import Result, Status


def fresh_result(cost_ms: int, fresh_until_ms: int, status: Status = Status.VALUE) -> Result:
    return Result(status, 0, fresh_until_ms, fresh_until_ms, "0" * 24, b"1", cost_us=cost_ms * 1000)


def test_a_result_far_from_its_end_is_not_refreshed_early() -> None:
    assert not is_due_early(fresh_result(cost_ms=100, fresh_until_ms=60_000), 0, random=0.999)


def test_near_its_end_a_share_of_the_readers_refreshes_a_result_early() -> None:
    result = fresh_result(cost_ms=1000, fresh_until_ms=60_000)
    early = [is_due_early(result, 59_000, random=each / 1000) for each in range(1000)]
    assert sum(early) / 1000 == pytest.approx(math.exp(-1), abs=0.01)


def test_a_failure_is_left_to_expire() -> None:
    assert not is_due_early(fresh_result(1000, 60_000, Status.FAILURE), 59_999, random=0.999)
