"""Deliveries: tried once, queued if that may help, and what becomes of them counted."""

from __future__ import annotations

import pytest

from push.delivery.deliveries import KEPT_MS, Delivery
from push.delivery.ports import PostOutcome
from push.metrics import Metric
from tests.worlds.functions import World


@pytest.fixture
def world() -> World:
    return World()


def delivery(world: World, name: str, attempt: int = 1, kept_ms: int = KEPT_MS) -> Delivery:
    return Delivery(name, f"frame of {name}", world.clock() + kept_ms, attempt)


def pushes(world: World) -> dict[str, float]:
    return {
        dimension[1]: number
        for (metric, dimension), number in world.counter.counts.items()
        if metric is Metric.PUSH and dimension is not None
    }


async def test_nothing_to_deliver_is_nothing(world: World) -> None:
    assert await world.deliverer.deliver([]) == []
    assert pushes(world) == {}


async def test_what_arrives_is_done(world: World) -> None:
    assert await world.deliverer.deliver([delivery(world, "ann="), delivery(world, "ben=")]) == []
    assert world.connections.frames == [("ann=", "frame of ann="), ("ben=", "frame of ben=")]
    assert world.deliveries.sent == []
    assert pushes(world) == {"delivered": 2}


async def test_each_outcome_has_its_consequence(world: World) -> None:
    world.connections.outcomes = {
        "gone=": PostOutcome.GONE,
        "slow=": PostOutcome.RETRY,
        "refused=": PostOutcome.REFUSED,
    }
    names = ("gone=", "slow=", "refused=", "fine=")
    assert await world.deliverer.deliver([delivery(world, name) for name in names]) == []
    assert world.records.forgotten == ["gone="]
    assert [each.connection_id for each, _ in world.deliveries.sent] == ["slow="]
    assert pushes(world) == {"gone": 1, "retried": 1, "failed": 1, "delivered": 1}


@pytest.mark.parametrize(("attempt", "delay_seconds"), [(1, 1), (2, 1), (3, 2), (5, 8), (20, 30)])
async def test_the_wait_before_the_next_try_grows_to_a_minute(world: World, attempt: int, delay_seconds: int) -> None:
    world.connections.outcomes = {"slow=": PostOutcome.RETRY}
    await world.deliverer.deliver([delivery(world, "slow=", attempt)])
    ((again, delay),) = world.deliveries.sent
    assert (again.attempt, delay) == (attempt + 1, delay_seconds)


async def test_deliveries_of_several_attempts_wait_each_its_own_time(world: World) -> None:
    world.connections.outcomes = {"a=": PostOutcome.RETRY, "b=": PostOutcome.RETRY}
    await world.deliverer.deliver([delivery(world, "a=", 1), delivery(world, "b=", 4)])
    assert {each.connection_id: (each.attempt, delay) for each, delay in world.deliveries.sent} == {
        "a=": (2, 1),
        "b=": (5, 4),
    }


async def test_what_nobody_can_wait_for_any_more_is_given_up(world: World) -> None:
    world.connections.outcomes = {"slow=": PostOutcome.RETRY}
    late = delivery(world, "slow=", attempt=9, kept_ms=0)
    assert await world.deliverer.deliver([late]) == []
    assert world.deliveries.sent == []
    assert pushes(world) == {"failed": 1}


async def test_what_the_queue_does_not_take_is_given_back(world: World) -> None:
    world.connections.outcomes = {"slow=": PostOutcome.RETRY, "gone=": PostOutcome.GONE}
    world.deliveries.is_down = True
    slow, gone, fine = (delivery(world, name) for name in ("slow=", "gone=", "fine="))
    assert await world.deliverer.deliver([slow, gone, fine]) == [slow]
