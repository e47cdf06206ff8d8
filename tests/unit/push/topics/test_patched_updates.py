"""A patch goes to who asked for it and has the value before, and to nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from push.computes import Tenant
from push.delivery.ports import PostOutcome
from push.results import make_etag
from push.topics.fanning_out import FanningOut, Receipt
from push.topics.histories import NewMessage
from push.topics.patched_updates import PatchedUpdates
from push.topics.patches import Patch, PatchKind, apply_patch, make_patch
from push.topics.positions import Position
from push.topics.subscriptions import PATCH
from push.topics.topics import Topic
from tests.fakes.clock import Clock
from tests.fakes.delivery import FakePayloads, FakeRecords
from tests.fakes.fan_out import FakeSendJobs, FakeSeries, FakeSubscribers
from tests.fakes.queues import FakeCounter
from tests.fakes.topics import FakeHistory, FakeShardProgress, SyncFakeHistory, TopicModel

LIVE = Topic(Tenant("acme"), "documents@1:" + "0" * 32)
CHANNEL = Topic(Tenant("acme"), "room:1")
ASKED, ALSO_ASKED, DID_NOT_ASK = "c1", "c3", "c8"
"""Of one shard."""
SHARD = 1
DOCUMENT: dict[str, Any] = {f"field {number}": "x" * 20 for number in range(20)}
OLD, NEW = DOCUMENT | {"status": "open"}, DOCUMENT | {"status": "closed"}


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def entry(value: object) -> bytes:
    return b'{"etag":"%s","data":%s}' % (make_etag(encode(value)).encode(), encode(value))


class World:
    """A worker and all around it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.model = TopicModel(self.clock)
        self.histories, self.progress = FakeHistory(self.model), FakeShardProgress(self.model)
        self.subscribers, self.connections = FakeSubscribers(), FakeSeries()
        self.has_patches = True
        self.made: list[Patch | None] = []
        self.fanning_out = FanningOut(
            progress=self.progress,
            histories=self.histories,
            subscribers=self.subscribers,
            connections=self.connections,
            records=FakeRecords(),
            send=FakeSendJobs(),
            link=FakePayloads().link,
            counter=FakeCounter(),
            now_ms=self.clock,
            random=lambda: 1.0,
            patched=PatchedUpdates(
                histories=self.histories, make_patch=self.make_patch, is_patched=lambda _topic: self.has_patches
            ),
        )

    async def make_patch(self, old: bytes, new: bytes) -> Patch | None:
        self.made.append(make_patch(old, new))
        return self.made[-1]

    async def append(self, *entries: bytes, topic: Topic = LIVE) -> Position:
        appended = SyncFakeHistory(self.model).append(
            topic, [NewMessage(each) for each in entries], size=2, seconds=600
        )
        return appended[-1].position

    async def nudge(self, topic: Topic = LIVE) -> None:
        await self.fanning_out.nudge(topic, SHARD, Receipt("message", self.clock() + 13_000))

    async def push(self, *values: object) -> Position:
        """Append a value and push it, and so with each."""
        for value in values:
            position = await self.append(entry(value))
            await self.nudge()
        return position

    def frames(self, connection_id: str) -> list[dict[str, Any]]:
        return [json.loads(frame) for frame in self.connections.frames[connection_id]]


@pytest.fixture
def world() -> World:
    world = World()
    for topic in (LIVE, CHANNEL):
        world.subscribers.add(topic, ASKED, PATCH)
        world.subscribers.add(topic, ALSO_ASKED, PATCH, "gzip")
        world.subscribers.add(topic, DID_NOT_ASK, "gzip")
    return world


async def test_who_asked_is_pushed_what_changed(world: World) -> None:
    position = await world.push(OLD, NEW)
    first, update = world.frames(ASKED)
    assert first["data"] == OLD
    (patch,) = world.made
    assert patch is not None
    assert update == {
        "type": "update",
        "topic": LIVE.name,
        "position": str(position),
        "etag": make_etag(encode(NEW)),
        "base": make_etag(encode(OLD)),
        "digest": patch.digest,
        "merge_patch": {"status": "closed"},
    }


async def test_who_did_not_ask_is_pushed_the_value(world: World) -> None:
    await world.push(OLD, NEW)
    assert [frame["data"] for frame in world.frames(DID_NOT_ASK)] == [OLD, NEW]


async def test_a_patch_is_made_once_for_all_who_asked(world: World) -> None:
    await world.push(OLD, NEW)
    assert len(world.made) == 1
    frames = [each.frames[0] for call in world.connections.calls for each in call]
    assert len({id(frame) for frame in frames}) == 3, "the first value, the second, and its patch"


async def test_nothing_is_made_if_nobody_asked(world: World) -> None:
    world.subscribers.rows.clear()
    world.subscribers.add(LIVE, DID_NOT_ASK)
    await world.push(OLD, NEW)
    assert world.made == []


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (OLD, NEW, PatchKind.MERGE),
        ([OLD, 1], [OLD, 2], PatchKind.JSON),
        (OLD, OLD | {"status": None}, PatchKind.JSON),
    ],
)
async def test_the_patch_makes_the_new_value_of_the_old(world: World, old: Any, new: Any, kind: PatchKind) -> None:
    await world.push(old, new)
    frame = world.frames(ASKED)[-1]
    patch = Patch(kind, encode(frame[f"{kind}_patch"]), frame["base"], frame["digest"])
    assert json.loads(apply_patch(encode(old), patch)) == new


async def test_who_lags_is_pushed_the_value(world: World) -> None:
    world.connections.outcomes[ASKED] = [PostOutcome.RETRY]
    await world.push(OLD, NEW)
    assert world.frames(ASKED) == []
    await world.fanning_out.catch_up(LIVE, ASKED, 1, world.clock() + 13_000)
    (update,) = world.frames(ASKED)
    assert update["data"] == NEW
    assert "data" not in world.frames(ALSO_ASKED)[-1]


async def test_a_client_that_could_not_be_pushed_the_patch_is_pushed_the_value(world: World) -> None:
    world.connections.outcomes[ASKED] = [PostOutcome.DELIVERED, PostOutcome.RETRY]
    await world.push(OLD, NEW)
    await world.fanning_out.catch_up(LIVE, ASKED, 1, world.clock() + 13_000)
    assert [frame["data"] for frame in world.frames(ASKED)] == [OLD, NEW]


async def test_a_round_that_skips_a_value_is_pushed_as_the_newest(world: World) -> None:
    await world.push(OLD)
    await world.append(entry(DOCUMENT), entry(NEW))
    await world.nudge()
    assert [frame["data"] for frame in world.frames(ASKED)] == [OLD, NEW]


async def test_without_the_entry_before_the_value_is_pushed(world: World) -> None:
    await world.push(OLD)
    world.clock.advance(600_000)
    await world.push(NEW)
    assert [frame["data"] for frame in world.frames(ASKED)] == [OLD, NEW]


async def test_a_resync_carries_the_value(world: World) -> None:
    await world.push(OLD)
    await world.append(*map(entry, (DOCUMENT, OLD, NEW)))
    await world.nudge()
    assert (world.frames(ASKED)[-1]["type"], world.frames(ASKED)[-1]["data"]) == ("resync", NEW)


async def test_in_another_epoch_the_value_is_pushed(world: World) -> None:
    await world.push(OLD)
    world.model.flush()
    await world.push(NEW)
    assert [frame["data"] for frame in world.frames(ASKED)] == [OLD, NEW]


@pytest.mark.parametrize(
    ("old", "member"),
    [
        (b'{"etag":"a","payload":"p/1"}', "url"),
        (b'{"etag":"a","error":{"code":"not_found"}}', "error"),
        (b"[]", "topic"),
    ],
)
async def test_what_has_no_data_is_neither_patched_nor_a_base(world: World, old: bytes, member: str) -> None:
    for each in (old, entry(NEW), old):
        await world.append(each)
        await world.nudge()
    first, second, third = world.frames(ASKED)
    assert member in first
    assert second["data"] == NEW
    assert member in third
    assert world.made == []


async def test_a_patch_that_is_not_smaller_is_not_sent(world: World) -> None:
    await world.push(OLD, {"another": "document"})
    assert world.made == [None]
    assert world.frames(ASKED) == world.frames(DID_NOT_ASK)


async def test_a_namespace_without_patches_has_none(world: World) -> None:
    world.has_patches = False
    await world.push(OLD, NEW)
    assert world.frames(ASKED) == world.frames(DID_NOT_ASK)


async def test_messages_of_channels_are_not_patched(world: World) -> None:
    for value in (OLD, NEW):
        await world.append(entry(value), topic=CHANNEL)
        await world.nudge(CHANNEL)
    assert world.frames(ASKED) == world.frames(DID_NOT_ASK)
    assert world.made == []
