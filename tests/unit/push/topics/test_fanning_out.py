"""One worker of fan-out: what it pushes, to whom, and what it leaves for later."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import AsyncMock

import pytest

from push.computes import Tenant
from push.delivery.ports import PostOutcome
from push.errors import CacheUnavailableError
from push.metrics import Metric
from push.topics.fan_out_jobs import CatchUp, Farewell, Nudge
from push.topics.fanning_out import LEFT_MS, MAX_ATTEMPTS, STUCK_MS, TERM_MS, FanningOut, LeftAloneError, Receipt
from push.topics.histories import NewMessage
from push.topics.positions import Position
from push.topics.topics import Topic
from tests.fakes.clock import Clock
from tests.fakes.delivery import FakePayloads, FakeRecords
from tests.fakes.fan_out import FakeSendJobs, FakeSeries, FakeSubscribers
from tests.fakes.queues import FakeCounter
from tests.fakes.topics import FakeHistory, FakeLagging, FakeShardProgress, SyncFakeHistory, TopicModel

CHANNEL = Topic(Tenant("acme"), "room:1")
LIVE = Topic(Tenant("acme"), "leaderboard@1:" + "0" * 32)
GONE, RETRY, DELIVERED = PostOutcome.GONE, PostOutcome.RETRY, PostOutcome.DELIVERED
ANN, BOB, CAT = "c1", "c3", "c8"
"""Of one shard, in the order in which they are read."""
SHARD = 1


class World:
    """A worker and all around it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.model = TopicModel(self.clock)
        self.histories, self.progress = FakeHistory(self.model), FakeShardProgress(self.model)
        self.subscribers, self.connections = FakeSubscribers(), FakeSeries()
        self.records, self.queue, self.counter = FakeRecords(), FakeSendJobs(), FakeCounter()
        self.fanning_out = FanningOut(
            progress=self.progress,
            histories=self.histories,
            subscribers=self.subscribers,
            connections=self.connections,
            records=self.records,
            send=self.queue,
            link=FakePayloads().link,
            counter=self.counter,
            now_ms=self.clock,
            random=lambda: 1.0,
        )

    async def publish(self, *data: bytes, topic: Topic = CHANNEL, size: int = 100) -> Position:
        appended = SyncFakeHistory(self.model).append(
            topic, [NewMessage(each) for each in data], size=size, seconds=600
        )
        return appended[-1].position

    async def nudge(self, topic: Topic = CHANNEL, *, is_redelivered: bool = False) -> None:
        await self.fanning_out.nudge(topic, SHARD, Receipt("message", self.clock() + 13_000, is_redelivered))

    async def catch_up(self, connection_id: str, attempt: int = 1, topic: Topic = CHANNEL) -> None:
        await self.fanning_out.catch_up(topic, connection_id, attempt, self.clock() + 13_000)

    def data_of(self, connection_id: str) -> list[Any]:
        return [json.loads(frame)["data"] for frame in self.connections.frames[connection_id]]

    def latest(self, connection_id: str) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(self.connections.frames[connection_id][-1])
        return frame


@pytest.fixture
def world() -> World:
    world = World()
    for name in (ANN, BOB, CAT):
        world.subscribers.add(CHANNEL, name)
        world.subscribers.add(LIVE, name)
    return world


async def test_every_subscriber_of_the_shard_gets_every_message_in_order(world: World) -> None:
    await world.publish(*(b"%d" % number for number in range(120)), size=200)
    await world.nudge()
    assert [world.data_of(name) for name in (ANN, BOB, CAT)] == [list(range(120))] * 3
    assert world.counter.of(Metric.PUSH, ("Outcome", "delivered")) == 360


async def test_an_update_says_its_topic_and_position(world: World) -> None:
    position = await world.publish(b'{"a":"\xc3\xa4"}')
    await world.nudge()
    assert world.latest(ANN) == {"type": "update", "topic": "room:1", "position": str(position), "data": {"a": "ä"}}


async def test_a_frame_is_written_once_for_all(world: World) -> None:
    await world.publish(b"1")
    await world.nudge()
    frames = [each.frames[0] for call in world.connections.calls for each in call]
    assert len(frames) == 3
    assert len({id(frame) for frame in frames}) == 1


async def test_a_nudge_without_anything_new_pushes_nothing(world: World) -> None:
    await world.publish(b"1")
    await world.nudge()
    await world.nudge()
    assert world.data_of(ANN) == [1]


async def test_who_cannot_be_pushed_to_lags_and_the_others_go_on(world: World) -> None:
    world.connections.outcomes[BOB] = [DELIVERED, RETRY]
    await world.publish(b"1", b"2")
    await world.nudge()
    await world.publish(b"3")
    await world.nudge()
    assert world.data_of(ANN) == [1, 2, 3]
    assert world.data_of(BOB) == [1]
    assert world.queue.sent == [(CatchUp(CHANNEL.storage, BOB), 1)]
    await world.catch_up(BOB)
    assert world.data_of(BOB) == [1, 2, 3]
    assert await world.progress.lagging(CHANNEL, SHARD) == {}


async def test_catching_up_is_tried_again_ever_later(world: World) -> None:
    world.connections.outcomes[BOB] = [RETRY] * 50
    await world.publish(b"1")
    await world.nudge()
    world.queue.sent.clear()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        await world.catch_up(BOB, attempt)
    delays = [delay_seconds for _, delay_seconds in world.queue.sent]
    assert delays == [1, 2, 4, 8, 16, 32] + [60] * (MAX_ATTEMPTS - 7)
    assert 600 <= sum(delays) <= 900


async def test_some_success_begins_the_tries_anew(world: World) -> None:
    world.connections.outcomes[BOB] = [RETRY, DELIVERED, RETRY]
    await world.publish(b"1", b"2")
    await world.nudge()
    world.queue.sent.clear()
    await world.catch_up(BOB, 9)
    assert world.queue.sent == [(CatchUp(CHANNEL.storage, BOB, 2), 1)]


async def test_who_was_left_alone_is_sent_its_catch_up_again(world: World) -> None:
    FakeLagging(world.model).lag(CHANNEL, SHARD, BOB, await world.publish(b"1"))
    await world.publish(b"2")
    await world.nudge()
    assert world.queue.sent == []
    world.clock.advance(STUCK_MS + 1)
    await world.nudge()
    assert world.queue.sent == [(CatchUp(CHANNEL.storage, BOB), 0)]
    await world.nudge()
    assert len(world.queue.sent) == 1


async def test_a_nudge_that_comes_again_finds_sooner_who_was_left_alone(world: World) -> None:
    FakeLagging(world.model).lag(CHANNEL, SHARD, BOB, await world.publish(b"1"))
    await world.publish(b"2")
    await world.nudge()
    world.clock.advance(LEFT_MS + 1)
    await world.nudge()
    assert world.queue.sent == []
    await world.nudge(is_redelivered=True)
    assert world.queue.sent == [(CatchUp(CHANNEL.storage, BOB), 0)]


async def test_who_is_gone_is_forgotten_everywhere(world: World) -> None:
    world.connections.outcomes[BOB] = [GONE]
    await world.publish(b"1")
    await world.nudge()
    page, _ = await world.subscribers.page(CHANNEL, SHARD)
    assert [each.connection_id for each in page] == [ANN, CAT]
    assert world.records.forgotten == [BOB]
    assert world.queue.sent == []


async def test_who_is_gone_when_it_should_catch_up_lags_no_more(world: World) -> None:
    world.connections.outcomes[BOB] = [RETRY, GONE]
    await world.publish(b"1")
    await world.nudge()
    await world.catch_up(BOB)
    assert await world.progress.lagging(CHANNEL, SHARD) == {}
    assert world.records.forgotten == [BOB]


async def test_beyond_the_history_all_are_resynchronised_with_the_latest(world: World) -> None:
    head = await world.publish(b"1", b"2", b"3", size=2)
    await world.nudge()
    expected = {"type": "resync", "topic": "room:1", "position": str(head), "data": 3}
    assert [json.loads(frame) for frame in world.connections.frames[ANN]] == [expected]


async def test_who_has_a_position_of_another_epoch_is_resynchronised(world: World) -> None:
    head = await world.publish(b"1")
    await world.nudge()
    FakeLagging(world.model).lag(CHANNEL, SHARD, BOB, Position("before", 7))
    await world.catch_up(BOB)
    assert world.latest(BOB) == {"type": "resync", "topic": "room:1", "position": str(head), "data": 1}
    assert await world.progress.lagging(CHANNEL, SHARD) == {}


async def test_of_a_live_result_only_the_newest_value_is_pushed(world: World) -> None:
    head = await world.publish(b'{"etag":"a","data":[1]}', b'{"etag":"b","data":[2]}', topic=LIVE)
    await world.nudge(LIVE)
    expected = {"type": "update", "topic": LIVE.name, "position": str(head), "etag": "b", "data": [2]}
    assert [json.loads(frame) for frame in world.connections.frames[ANN]] == [expected]


@pytest.mark.parametrize(
    ("entry", "member"),
    [
        (b'{"etag":"a","payload":"p/1"}', {"etag": "a", "url": "https://storage.test/p/1?seconds=300"}),
        (b'{"etag":"a","error":{"code":"not_found"}}', {"etag": "a", "error": {"code": "not_found"}}),
        (b"[]", {}),
    ],
)
async def test_a_live_result_is_linked_to_or_an_error_or_only_said_to_be_there(
    world: World, entry: bytes, member: dict[str, object]
) -> None:
    head = await world.publish(entry, topic=LIVE)
    await world.nudge(LIVE)
    assert world.latest(ANN) == {"type": "update", "topic": LIVE.name, "position": str(head), **member}


async def test_what_is_left_at_the_end_of_the_time_is_handed_over(world: World) -> None:
    await world.publish(b"1")
    await world.fanning_out.nudge(CHANNEL, SHARD, Receipt("message", world.clock()))
    assert world.queue.sent == [(Nudge(CHANNEL.storage, SHARD), 0)]
    await world.nudge()
    assert world.data_of(ANN) == [1]


async def test_a_busy_shard_is_left_to_its_holder(world: World) -> None:
    await world.publish(b"1")
    await world.progress.begin(CHANNEL, SHARD, "another", TERM_MS, 10)
    await world.nudge()
    assert world.data_of(ANN) == []
    assert world.queue.sent == []


async def test_a_lease_that_nobody_renews_is_looked_at_once_it_has_ended(world: World) -> None:
    await world.publish(b"1")
    await world.progress.begin(CHANNEL, SHARD, "dead", TERM_MS, 10)
    world.clock.advance(TERM_MS - 2500)
    await world.nudge()
    assert world.queue.sent == [(Nudge(CHANNEL.storage, SHARD), 3)]


async def test_a_nudge_that_comes_again_to_a_busy_shard_stays_until_the_lease_has_ended(world: World) -> None:
    """Redis may have given the lease to whoever had the nudge before, and not have said so."""
    await world.publish(b"1")
    await world.progress.begin(CHANNEL, SHARD, "who heard nothing of it", TERM_MS, 10)
    await world.nudge(is_redelivered=True)
    assert world.queue.sent == [(Nudge(CHANNEL.storage, SHARD), TERM_MS // 1000)]


async def test_who_lags_is_caught_up_with_also_if_redis_could_not_say_that_it_was_noted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = world.progress.advance

    async def advance_in_silence(*args: Any) -> None:
        await advance(*args)
        raise CacheUnavailableError("Redis did not answer.")

    world.connections.outcomes[BOB] = [RETRY]
    await world.publish(b"1")
    found = await world.progress.begin(CHANNEL, SHARD, "message", TERM_MS, 10)
    monkeypatch.setattr(world.progress, "begin", AsyncMock(return_value=found))
    monkeypatch.setattr(world.progress, "advance", advance_in_silence)
    with pytest.raises(CacheUnavailableError):
        await world.nudge()
    assert world.queue.sent == [(CatchUp(CHANNEL.storage, BOB), 1)]


async def test_a_lease_that_redis_gave_in_silence_is_there_when_the_message_comes_again(world: World) -> None:
    await world.publish(b"1")
    await world.progress.begin(CHANNEL, SHARD, "message", TERM_MS, 10)
    await world.nudge(is_redelivered=True)
    assert world.data_of(ANN) == [1]


async def test_a_lease_is_given_back_when_something_does_not_answer(world: World) -> None:
    await world.publish(b"1")
    world.connections.outcomes[BOB] = [RETRY]
    world.queue.is_down = True
    with pytest.raises(LeftAloneError):
        await world.nudge()
    assert world.model.lease_is_held(CHANNEL, SHARD, "another")


async def test_without_the_queue_the_nudge_comes_back_and_finds_who_lags(world: World) -> None:
    world.connections.outcomes[BOB] = [RETRY]
    await world.publish(b"1")
    world.queue.is_down = True
    with pytest.raises(LeftAloneError):
        await world.nudge()
    world.queue.is_down = False
    world.clock.advance(STUCK_MS + TERM_MS)
    await world.nudge()
    assert world.queue.sent == [(CatchUp(CHANNEL.storage, BOB), 0)]


async def test_without_redis_the_nudge_comes_back(world: World) -> None:
    world.model.is_down = True
    with pytest.raises(CacheUnavailableError):
        await world.nudge()


async def test_a_farewell_travels_until_it_is_due(world: World) -> None:
    farewell = Farewell(ANN, world.clock() + 1_000_000, world.clock() + 1_060_000)
    await world.fanning_out.say_farewell(farewell)
    assert world.queue.sent == [(farewell, 900)]
    world.clock.advance(1_000_000)
    await world.fanning_out.say_farewell(farewell)
    assert world.latest(ANN) == {"type": "bye", "code": 1001, "retry": True, "after_ms": 60_000}
