"""Subscribers of guarded results: who has an update, who is ended, and what that one is told."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from push.callers import Caller
from push.computes import Registry, Tenant
from push.topics.positions import Position
from push.topics.rights import SubscriberRights
from push.topics.subscriptions import Right, Subscription
from push.topics.topics import Topic, shard_of
from tests.builders.results import EchoParams, echo, shared
from tests.fakes.fan_out import FakeSeries, FakeSubscribers

ACME = Tenant("acme")
GUARDED = Topic(ACME, "echo@1:" + "0" * 32)
OPEN = Topic(None, "shared@1:" + "0" * 32)
CHANNEL = Topic(ACME, "room:1")
REACHED = Position("e", 7)
ADAS = Right(ACME, '{"text":"a"}', '{"text":"a"}')


def may_ask(caller: Caller, params: EchoParams) -> bool:
    return bool(caller.claims["text"] == params.text)


class World:
    """The rights of three topics' subscribers."""

    def __init__(self) -> None:
        self.subscribers, self.connections, self.asked = FakeSubscribers(), FakeSeries(), 0
        self.registry = Registry([replace(echo, authorize=may_ask), shared])
        self.rights = SubscriberRights(
            find_registry=self._find_registry, subscribers=self.subscribers, connections=self.connections
        )

    def _find_registry(self) -> Registry:
        self.asked += 1
        return self.registry

    def subscribe(self, connection_id: str, right: Right | None, topic: Topic = GUARDED) -> Subscription:
        subscription = Subscription(topic, connection_id, "ada", 0, right=right)
        self.subscribers.rows[topic.storage, shard_of(connection_id)][connection_id] = subscription
        return subscription

    async def keep(self, page: Sequence[Subscription], topic: Topic = GUARDED) -> list[str]:
        return [each.connection_id for each in await self.rights.keep(topic, page, REACHED)]


@pytest.fixture
def world() -> World:
    return World()


async def test_who_may_have_an_update_is_kept_and_who_may_not_is_ended(world: World) -> None:
    page = [world.subscribe("a=", ADAS), world.subscribe("b=", replace(ADAS, claims='{"text":"b"}'))]
    assert await world.keep(page) == ["a="]
    assert await world.subscribers.find(GUARDED, "a=") == page[0]
    assert await world.subscribers.find(GUARDED, "b=") is None
    assert list(world.connections.frames) == ["b="]
    assert json.loads(world.connections.frames["b="][0]) == {
        "type": "resync",
        "topic": GUARDED.name,
        "position": str(REACHED),
    }


@pytest.mark.parametrize(
    "right",
    [None, replace(ADAS, claims=""), replace(ADAS, claims="{}"), replace(ADAS, params='{"text":1}')],
    ids=["row before the rule", "no claims", "a rule that raises", "params of another version"],
)
async def test_what_cannot_be_asked_is_refused(world: World, right: Right | None) -> None:
    assert await world.keep([world.subscribe("a=", right)]) == []


async def test_without_a_rule_every_subscriber_is_kept(world: World) -> None:
    page = [world.subscribe("a=", None, OPEN)]
    assert await world.rights.keep(OPEN, page, REACHED) is page


async def test_channels_load_no_computes(world: World) -> None:
    page = [world.subscribe("a=", None, CHANNEL)]
    assert await world.rights.keep(CHANNEL, page, REACHED) is page
    assert world.asked == 0


async def test_a_lagging_connection_catches_up_while_it_may(world: World) -> None:
    world.subscribe("a=", ADAS)
    world.subscribe("b=", replace(ADAS, claims="{}"))
    assert await world.rights.may_catch_up(GUARDED, "a=", REACHED)
    assert not await world.rights.may_catch_up(GUARDED, "b=", REACHED)
    assert not await world.rights.may_catch_up(GUARDED, "gone=", REACHED)
    assert await world.rights.may_catch_up(CHANNEL, "gone=", REACHED)
