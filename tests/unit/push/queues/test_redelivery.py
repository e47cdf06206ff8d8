"""When messages that failed are seen again."""

from __future__ import annotations

from typing import Any

import pytest

from push.queues.redelivery import Redelivery
from tests.fakes.queues import FakeRedelivery


def record(number: int, receive_count: int = 1) -> dict[str, Any]:
    return {
        "messageId": f"message {number}",
        "receiptHandle": f"receipt {number}",
        "attributes": {"ApproximateReceiveCount": str(receive_count)},
    }


def test_only_what_failed_comes_back() -> None:
    times = FakeRedelivery()
    Redelivery(times, lambda: 0.999).back_off([record(1), record(2), record(3)], ["message 2"])
    assert times.hidden == [{"receipt 2": 1}]


def test_the_queue_is_not_asked_for_nothing() -> None:
    times = FakeRedelivery()
    Redelivery(times, lambda: 0.5).back_off([record(1)], [])
    assert times.hidden == []


@pytest.mark.parametrize(("receive_count", "seconds"), [(1, 1), (2, 2), (3, 4), (5, 16), (7, 60), (100, 60)])
def test_what_has_come_often_stays_away_longer_but_for_no_more_than_a_minute(receive_count: int, seconds: int) -> None:
    times = FakeRedelivery()
    Redelivery(times, lambda: 0.999).back_off([record(1, receive_count)], ["message 1"])
    assert times.hidden == [{"receipt 1": seconds}]


def test_messages_that_failed_together_do_not_come_together() -> None:
    draws = iter([0.1, 0.9])
    times = FakeRedelivery()
    Redelivery(times, lambda: next(draws)).back_off([record(1, 5), record(2, 5)], ["message 1", "message 2"])
    assert times.hidden == [{"receipt 1": 2, "receipt 2": 15}]
