"""The handler of deliveries and dead letters: what comes back to its queue and what does not."""

from __future__ import annotations

import pytest

from notify.deliveries_app import DeliveriesParts, handle
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.cache.jobs import serialize_job
from push.delivery.deliveries import Delivery, serialize_delivery
from push.delivery.ports import PostOutcome
from push.queues.bodies import INLINE_BODIES
from push.queues.ports import QueueBodies
from tests.fakes.queues import FakeBodies
from tests.worlds.functions import World


@pytest.fixture
def world() -> World:
    return World()


def record(message_id: str, body: str, queue: str) -> dict:
    return {"messageId": message_id, "body": body, "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}"}


async def deliver(
    world: World, *bodies: str, queue: str = "deliveries", reader: QueueBodies = INLINE_BODIES
) -> list[str]:
    records = [record(f"message {index}", body, queue) for index, body in enumerate(bodies)]
    parts = DeliveriesParts("deliveries", world.deliverer, world.dead_letters, {}, BufferedMetrics(), reader)
    return await handle(records, parts)


def delivery(world: World, name: str) -> str:
    return serialize_delivery(Delivery(name, f"frame of {name}", world.clock() + 60_000))


async def test_deliveries_are_delivered(world: World) -> None:
    assert await deliver(world, delivery(world, "ann="), delivery(world, "ben=")) == []
    assert [name for name, _ in world.connections.frames] == ["ann=", "ben="]


async def test_what_is_to_be_tried_again_is_sent_anew_and_does_not_come_back(world: World) -> None:
    world.connections.outcomes["ann="] = PostOutcome.RETRY
    assert await deliver(world, delivery(world, "ann=")) == []
    assert len(world.deliveries.sent) == 1


async def test_only_what_the_queue_does_not_take_comes_back(world: World) -> None:
    world.connections.outcomes["ann="] = PostOutcome.RETRY
    world.deliveries.is_down = True
    assert await deliver(world, delivery(world, "ben="), delivery(world, "ann=")) == ["message 1"]


async def test_what_is_no_delivery_is_dropped_and_harms_no_other(world: World) -> None:
    assert await deliver(world, "no json", delivery(world, "ann="), "{}") == []
    assert [name for name, _ in world.connections.frames] == ["ann="]


async def test_a_body_that_can_not_be_fetched_comes_back_and_one_that_is_gone_is_dropped(world: World) -> None:
    reader = FakeBodies()
    body = reader.pack(delivery(world, "ann="))
    assert await deliver(world, body, "claim:gone", reader=reader) == []
    assert [name for name, _ in world.connections.frames] == ["ann="]
    reader.is_down = True
    assert await deliver(world, body, "claim:gone", reader=reader) == ["message 0", "message 1"]


async def test_dead_letters_are_ended_each_for_itself(world: World) -> None:
    world.ask()
    body = serialize_job(world.jobs.sent[0].job)
    assert await deliver(world, "no json", body, queue="dead") == []
    assert [frame["error"]["code"] for frame in world.pushed()] == ["compute_failed"]


async def test_dead_letters_come_back_while_redis_is_away(world: World) -> None:
    world.ask()
    world.model.is_down = True
    body = serialize_job(world.jobs.sent[0].job)
    assert await deliver(world, "no json", body, queue="dead") == ["message 1"]
