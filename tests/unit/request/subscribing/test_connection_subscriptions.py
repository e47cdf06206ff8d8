"""Subscribing: the row, then what is the case, then the answer; what was missed is sent before what is new."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Coroutine

import pytest
from msgspec.structs import replace

from push.access.connections import CONNECTION_SECONDS
from push.cache.jobs import JobKind, live_waiter
from push.computes import Tenant, compute
from push.errors import CacheUnavailableError, ErrorCode, PushasideError, TransientError
from push.keys import Key, make_key
from push.protocol.messages import MAX_TOPICS
from push.protocol.payloads import LINK_FROM_BYTES
from push.results import Status, make_etag
from push.topics.fan_out_jobs import CatchUp, PresenceLook
from push.topics.subscriptions import linked_until
from push.topics.topics import Topic, shard_of
from tests.builders.results import EchoParams, echo, make_result, shared
from tests.fakes.topics import FakeShardProgress
from tests.worlds.functions import World
from tests.worlds.topics import TopicWorld


@compute(name="tagged", ttl=10.0, tags=lambda params: (f"text/{params.text}",))
async def tagged(params: EchoParams) -> object:
    """Is made from what its text names."""
    return params.text


@pytest.fixture
def world() -> TopicWorld:
    return TopicWorld(World(computes=(echo, shared, tagged)))


def refusal(world: TopicWorld, action: str = "subscribe", **members: object) -> PushasideError:
    with pytest.raises(PushasideError) as caught:
        world.send(action, **members)
    return caught.value


def run_now(coroutine: Coroutine[None, None, None]) -> None:
    """Run what never waits."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


# ---------------------------------------------------------------- channels


def test_a_new_subscriber_is_told_where_the_topic_is_and_gets_what_comes_after(world: TopicWorld) -> None:
    latest = world.publish("news:it", 1, 2)
    frame = world.send("subscribe", topic="news:it")
    assert frame == {"type": "subscribed", "id": "3", "topic": "news:it", "position": latest, "recovered": True}
    assert world.subscribed() == {"acme/news:it"}
    assert world.lagging("news:it") is None
    assert world.fan_out.sent == []


def test_the_row_is_there_before_the_position_is_read(world: TopicWorld) -> None:
    world.send("subscribe", topic="news:it")
    assert world.log == ["add", "head"]


def test_what_is_published_in_between_is_not_lost(world: TopicWorld) -> None:
    world.subscriptions.on_add = lambda: world.publish("news:it", "in between") and None
    frame = world.send("subscribe", topic="news:it")
    # Whoever pushes it finds the row; whether or not it does, the position says that it has been.
    assert frame["position"].endswith(":1")


def test_a_subscription_outlives_its_connection_and_carries_what_the_client_applies(world: TopicWorld) -> None:
    world.send("subscribe", topic="news:it", accept=["patch", "gzip", "br"], principal="ann")
    (row,) = world.subscriptions.rows.values()
    assert row.options == {"patch", "gzip"}
    assert row.principal == "ann"
    assert row.expires_at == world.world.clock.now_ms // 1000 + CONNECTION_SECONDS


def test_who_says_since_when_catches_up_from_there_before_anything_else(world: TopicWorld) -> None:
    since = world.publish("news:it", 1)
    world.publish("news:it", 2, 3)
    frame = world.send("subscribe", topic="news:it", since=since)
    assert (frame["position"], frame["recovered"]) == (since, True)
    assert "data" not in frame
    assert world.lagging("news:it") == since
    assert world.fan_out.take() == [CatchUp("acme/news:it", "ann=")]
    assert world.log == ["lag", "add", "head"]


def test_who_lacks_nothing_need_not_catch_up(world: TopicWorld) -> None:
    since = world.publish("news:it", 1)
    assert world.send("subscribe", topic="news:it", since=since)["position"] == since
    assert world.lagging("news:it") is None
    assert world.fan_out.take() == []


async def test_who_lacks_what_is_being_pushed_without_it_catches_up(world: TopicWorld) -> None:
    since = world.publish("news:it", 1)
    worker = FakeShardProgress(world.topics)

    async def push_without_it() -> None:
        world.publish("news:it", 2)
        await worker.begin(topic, shard_of("ann="), "t", 1000, 10)

    topic = Topic(Tenant("acme"), "news:it")
    head = world.histories.head(topic)
    coroutine = push_without_it()
    world.subscriptions.on_add = lambda: run_now(coroutine)
    world.histories.head = lambda _topic: head
    world.send("subscribe", topic="news:it", since=since)
    assert world.lagging("news:it") == since
    assert world.fan_out.take() == [CatchUp("acme/news:it", "ann=")]


def test_the_first_subscription_has_the_connection_told_in_time_that_it_will_be_closed(world: TopicWorld) -> None:
    world.send("subscribe", topic="news:it")
    world.send("subscribe", topic="news:en")
    (farewell,) = world.fan_out.farewells
    assert (farewell.connection_id, farewell.closes_at_ms - farewell.at_ms) == ("ann=", 600_000)


def test_what_is_no_longer_all_there_is_told_at_once_by_the_latest_message(world: TopicWorld) -> None:
    since = world.publish("news:it", 1)
    latest = world.publish("news:it", 2, 3, 4, {"n": 5})
    frame = world.send("subscribe", topic="news:it", since=since)
    assert (frame["position"], frame["recovered"], frame["data"]) == (latest, False, {"n": 5})
    assert world.lagging("news:it") is None
    assert world.fan_out.sent == []


def test_a_position_of_another_epoch_is_noticed(world: TopicWorld) -> None:
    since = world.publish("news:it", 1, 2)
    world.topics.flush()
    frame = world.send("subscribe", topic="news:it", since=since)
    assert frame["recovered"] is False
    assert frame["position"] != since
    assert frame["data"] is None


def test_subscribing_twice_is_subscribing_once(world: TopicWorld) -> None:
    world.send("subscribe", topic="news:it")
    world.send("subscribe", topic="news:it", accept=["patch"])
    (row,) = world.subscriptions.rows.values()
    assert row.options == {"patch"}


def test_who_may_not_subscribe_is_told_so_and_gets_no_row(world: TopicWorld) -> None:
    assert refusal(world, topic="board:pay").code is ErrorCode.FORBIDDEN
    assert world.subscribed() == set()
    assert world.send("subscribe", topic="board:pay", principal="director")["type"] == "subscribed"


def test_a_topic_is_its_tenants(world: TopicWorld) -> None:
    world.publish("news:it", 1)
    frame = world.send("subscribe", topic="news:it", tenant="globex")
    assert frame["position"].endswith(":0")
    assert world.subscribed() == {"globex/news:it"}


@pytest.mark.parametrize("topic", ["it", "news:", ":it", "a/b:it", "news:it#1", "globex/news:it", "n" * 65 + ":it"])
def test_what_is_no_topics_name_is_refused(world: TopicWorld, topic: str) -> None:
    assert refusal(world, topic=topic).code is ErrorCode.INVALID_MESSAGE


@pytest.mark.parametrize("since", ["1", "epoch:", "epoch:-1", "epoch:01", "a b:1"])
def test_what_is_no_position_is_refused(world: TopicWorld, since: str) -> None:
    assert refusal(world, topic="news:it", since=since).code is ErrorCode.INVALID_MESSAGE
    assert world.subscribed() == set()


def test_a_connection_has_only_so_many_topics(world: TopicWorld) -> None:
    for number in range(MAX_TOPICS):
        world.send("subscribe", topic=f"any:{number}")
    assert refusal(world, topic="any:more").code is ErrorCode.FORBIDDEN
    assert len(world.subscribed()) == MAX_TOPICS
    assert world.send("subscribe", topic="any:more", connection_id="ben=")["type"] == "subscribed"


def test_where_there_is_presence_the_others_are_told_a_moment_later(world: TopicWorld) -> None:
    world.send("subscribe", topic="room:1")
    world.send("subscribe", topic="news:it")
    world.send("unsubscribe", topic="room:1")
    assert world.fan_out.sent == [(PresenceLook("acme/room:1"), 1), (PresenceLook("acme/room:1"), 1)]


@pytest.mark.parametrize("members", [{"topic": "news:it"}, {"topic": "news:it", "since": "epoch-1:1"}])
def test_without_redis_one_is_told_to_ask_again(world: TopicWorld, members: dict) -> None:
    world.publish("news:it", 1)
    world.topics.is_down = True
    error = refusal(world, **members)
    assert isinstance(error, CacheUnavailableError)
    assert error.retryable


def test_without_the_table_one_is_told_to_ask_again(world: TopicWorld) -> None:
    world.subscriptions.is_down = True
    assert isinstance(refusal(world, topic="news:it"), TransientError)


# ---------------------------------------------------------------- unsubscribing


def test_who_unsubscribes_is_told_nothing_more_nor_caught_up(world: TopicWorld) -> None:
    since = world.publish("news:it", 1)
    world.publish("news:it", 2)
    world.send("subscribe", topic="news:it", since=since)
    assert world.send("unsubscribe", topic="news:it") == {"type": "unsubscribed", "id": "4", "topic": "news:it"}
    assert world.subscribed() == set()
    assert world.lagging("news:it") is None
    assert world.send("unsubscribe", topic="news:it")["type"] == "unsubscribed"


def test_a_live_result_is_unsubscribed_from_by_the_topic_that_was_told(world: TopicWorld) -> None:
    for name in ("echo", "shared"):
        topic = world.send("subscribe", compute=name)["topic"]
        world.send("unsubscribe", topic=topic)
    assert world.subscribed() == set()


# ---------------------------------------------------------------- resuming


def resume(world: TopicWorld, positions: dict[str, str], **members: object) -> dict:
    return world.send("hello", positions=positions, **members)


def test_hello_takes_up_many_topics_each_where_it_was_left(world: TopicWorld) -> None:
    positions = {f"any:{number}": world.publish(f"any:{number}", 1, 2) for number in range(3)}
    for topic in positions:
        world.publish(topic, 3)
    assert resume(world, positions, accept=["patch"]) == {}
    assert world.subscribed() == {f"acme/{topic}" for topic in positions}
    assert {topic: world.lagging(topic) for topic in positions} == positions
    assert world.fan_out.take() == [CatchUp(f"acme/{topic}", "ann=") for topic in positions]
    assert world.log == ["lag"] * 3 + ["add"] + ["head"] * 3
    assert all(row.options == {"patch"} for row in world.subscriptions.rows.values())


def test_what_hello_takes_up_without_having_missed_anything_need_not_catch_up(world: TopicWorld) -> None:
    since, latest = world.publish("any:1", 1), world.publish("any:2", 1)
    world.publish("any:1", 2)
    assert resume(world, {"any:1": since, "any:2": latest}) == {}
    assert (world.lagging("any:1"), world.lagging("any:2")) == (since, None)
    assert world.fan_out.take() == [CatchUp("acme/any:1", "ann=")]


def test_what_hello_may_not_take_up_is_refused_by_topic_and_the_rest_is_not(world: TopicWorld) -> None:
    live = world.send("subscribe", compute="echo", connection_id="ben=")["topic"]
    refused = resume(world, {"news:it": "e:1", "board:pay": "e:1", "nothing": "e:1", "news:uk": "1", live: "e:1"})
    assert refused == {
        "board:pay": "forbidden",
        "nothing": "invalid_message",
        "news:uk": "invalid_message",
        live: "invalid_message",
    }
    assert world.subscribed() == {"acme/news:it"}


def test_hello_takes_up_no_more_topics_than_a_connection_has(world: TopicWorld) -> None:
    for number in range(MAX_TOPICS - 1):
        world.send("subscribe", topic=f"any:{number}")
    assert resume(world, {"news:a": "e:1", "news:b": "e:1"}) == {"news:b": "forbidden"}
    assert len(world.subscribed()) == MAX_TOPICS


def test_what_can_not_be_taken_up_now_is_refused_until_later_and_hello_is_answered(world: TopicWorld) -> None:
    world.topics.is_down = True
    assert resume(world, {"news:it": "e:1", "board:pay": "e:1"}) == {"news:it": "internal", "board:pay": "forbidden"}


def test_hello_makes_itself_known_where_there_is_presence(world: TopicWorld) -> None:
    resume(world, {"room:1": "e:1", "news:it": "e:1"})
    assert (PresenceLook("acme/room:1"), 1) in world.fan_out.sent


# ---------------------------------------------------------------- live results


async def fill(world: TopicWorld, name: str = "echo", **params: object) -> str:
    """Have a result computed, and return its etag."""
    text = json.dumps(params).encode()
    world.world.ask("fill", connection_id="filler=", compute=name, params=text)
    await world.world.consume_sent()
    world.world.jobs.sent.clear()
    (frame,) = world.world.pushed("filler=")
    world.world.connections.frames.clear()
    return frame["etag"]


def the_key() -> Key:
    """Return the key of what the tests ask for."""
    return make_key(Tenant("acme"), echo, EchoParams(text="a"))


def live_jobs(world: TopicWorld) -> list:
    return [outgoing.job for outgoing in world.world.jobs.sent]


async def test_a_live_result_comes_with_its_current_value(world: TopicWorld) -> None:
    etag = await fill(world, text="a")
    frame = world.send("subscribe", compute="echo", params={"text": "a"})
    assert frame["topic"].startswith("echo@1:")
    assert (frame["etag"], frame["data"]["text"], frame["recovered"]) == (etag, "a", True)
    assert frame["position"].endswith(":0")
    assert world.subscribed() == {f"acme/{frame['topic']}"}
    assert live_jobs(world) == []


def test_a_live_result_that_is_not_there_is_computed_and_follows(world: TopicWorld) -> None:
    frame = world.send("subscribe", compute="echo", params={"text": "a"})
    assert frame.keys().isdisjoint({"data", "etag"})
    (job,) = live_jobs(world)
    assert (job.kind, job.compute, bytes(job.params), job.newer_than_ms) == (JobKind.LIVE, "echo", b'{"text":"a"}', 0)
    assert list(world.world.model.entry(the_key()).waiters) == [live_waiter(lacks_value=True)]


async def test_a_value_follows_though_those_who_subscribed_before_have_it_already(world: TopicWorld) -> None:
    world.send("subscribe", compute="echo", params={"text": "a"}, connection_id="early=")
    await world.world.consume_sent()
    world.world.clock.advance(3_600_000)
    position = world.send("subscribe", compute="echo", params={"text": "a"})["position"]
    await world.world.consume_sent()
    (first, second) = world.world.histories.appended
    assert first[2].etag == second[2].etag
    assert (str(first[1]), second[1].offset) == (position, first[1].offset + 1)


def test_many_who_subscribe_at_once_cost_hardly_more_than_one(world: TopicWorld) -> None:
    for number in range(50):
        world.send("subscribe", compute="echo", params={"text": "a"}, connection_id=f"{number}=")
    # The second makes sure that the first one's worker, should it die, has a successor.
    assert len(live_jobs(world)) == 2


async def test_who_subscribes_once_others_compute_is_told_with_them(world: TopicWorld) -> None:
    world.world.ask(params=b'{"text":"a"}', connection_id="ben=")
    world.send("subscribe", compute="echo", params={"text": "a"})
    await world.world.consume_sent()
    ((key, position, _),) = world.world.histories.appended
    assert (key, position.offset) == (the_key(), 1)


async def test_a_live_result_that_a_change_made_stale_is_told_and_computed_anew(world: TopicWorld) -> None:
    await fill(world, text="a")
    key = the_key()
    world.world.model.invalidate(key)
    frame = world.send("subscribe", compute="echo", params={"text": "a"})
    assert frame["data"]["text"] == "a"
    (job,) = live_jobs(world)
    assert job.newer_than_ms == world.world.model.entry(key).result.computed_at_ms + 1


async def test_a_live_result_whose_reads_may_lag_is_told_and_computed_anew(world: TopicWorld) -> None:
    await fill(world, text="a")
    entry = world.world.model.entry(the_key())
    entry.result = replace(entry.result, may_lag=True)
    frame = world.send("subscribe", compute="echo", params={"text": "a"})
    assert frame["data"]["text"] == "a"
    (job,) = live_jobs(world)
    assert job.newer_than_ms == entry.result.computed_at_ms + 1


async def test_nothing_in_memory_is_told_that_may_be_older_than_the_position(world: TopicWorld) -> None:
    await fill(world, text="a")
    world.world.ask(params=b'{"text":"a"}')
    key = the_key()
    entry = world.world.model.entry(key)
    entry.result = make_result(b'"newer"', computed_at_ms=world.world.clock.now_ms + 1)
    assert world.send("subscribe", compute="echo", params={"text": "a"})["data"] == "newer"


def test_changes_of_what_it_is_made_from_lead_to_it_before_it_is_read(world: TopicWorld) -> None:
    frame = world.send("subscribe", compute="tagged", params={"text": "b"})
    assert world.log == ["add", "add_live", "head"]
    (live,) = world.subscriptions.live["text/b"].values()
    assert live.key.public == frame["topic"]
    assert (live.tenant, bytes(live.params)) == ("acme", b'{"text":"b"}')
    assert live.expires_at == linked_until(world.world.clock.now_ms)


async def test_tags_that_only_the_result_tells_are_noted_and_a_change_meanwhile_is_seen(world: TopicWorld) -> None:
    await fill(world, text="a")
    key = the_key()
    entry = world.world.model.entry(key)
    entry.result = make_result(b'"old"', computed_at_ms=world.world.clock.now_ms, tags=("late",))
    add_live = world.subscriptions.add_live

    def change_meanwhile(tags: object, live: object) -> None:
        add_live(tags, live)
        if "late" in tags:
            world.world.model.invalidate(key)

    world.subscriptions.add_live = change_meanwhile
    assert world.send("subscribe", compute="echo", params={"text": "a"})["data"] == "old"
    assert key.storage in world.subscriptions.live["late"]
    assert len(live_jobs(world)) == 1


async def test_a_failure_is_told_in_place_of_a_value(world: TopicWorld) -> None:
    await fill(world, text="a")
    key = the_key()
    error = b'{"code":"compute_failed","message":"No.","retryable":false}'
    world.world.model.entry(key).result = make_result(
        error, computed_at_ms=world.world.clock.now_ms, status=Status.FAILURE
    )
    frame = world.send("subscribe", compute="echo", params={"text": "a"})
    assert frame["error"]["code"] == "compute_failed"
    assert frame.keys().isdisjoint({"data", "etag"})


async def test_since_tells_whether_the_position_still_means_something(world: TopicWorld) -> None:
    await fill(world)
    position = world.send("subscribe", compute="echo")["position"]
    assert world.send("subscribe", compute="echo", since=position)["recovered"] is True
    world.topics.flush()
    frame = world.send("subscribe", compute="echo", since=position)
    assert frame["recovered"] is False
    assert frame["data"]["tenant"] == "acme"
    assert world.lagging(frame["topic"]) is None


def test_the_live_results_of_shared_computes_are_everybodys(world: TopicWorld) -> None:
    world.send("subscribe", compute="shared")
    world.send("subscribe", compute="shared", tenant="globex", connection_id="ben=")
    (topic,) = world.subscribed() & world.subscribed("ben=")
    assert topic.startswith("*/shared@1:")


def test_bad_params_are_refused_before_there_is_a_row(world: TopicWorld) -> None:
    assert refusal(world, compute="echo", params={"number": "one"}).code is ErrorCode.INVALID_PARAMS
    assert refusal(world, compute="unheard-of").code is ErrorCode.UNKNOWN_COMPUTE
    assert world.subscribed() == set()


def test_a_live_result_is_subscribed_to_by_its_compute(world: TopicWorld) -> None:
    topic = world.send("subscribe", compute="echo")["topic"]
    assert refusal(world, topic=topic).code is ErrorCode.INVALID_MESSAGE


async def large(world: TopicWorld, data: bytes, **members: object) -> dict:
    await fill(world, text="a")
    key = the_key()
    world.world.model.entry(key).result = make_result(data, computed_at_ms=world.world.clock.now_ms)
    return world.send("subscribe", compute="echo", params={"text": "a"}, **members)


async def test_a_large_value_is_encoded_for_who_reads_that(world: TopicWorld) -> None:
    data = json.dumps(["0123456789"] * 5000).encode()
    frame = await large(world, data, accept=["gzip"])
    assert frame["encoding"] == "gzip+base64"
    assert gzip.decompress(base64.b64decode(frame["data"])) == data
    assert frame["etag"] == make_etag(data)


async def test_a_value_that_fits_no_message_follows_in_chunks(world: TopicWorld) -> None:
    data = json.dumps(["0123456789"] * 20_000).encode()
    frame = await large(world, data)
    assert frame["type"] == "accepted"
    pieces = [json.loads(delivery.frame) for delivery, _ in world.world.deliveries.sent]
    message = json.loads("".join(piece["data"] for piece in sorted(pieces, key=lambda piece: piece["index"])))
    assert (message["type"], message["id"]) == ("subscribed", frame["id"])
    assert message["data"] == json.loads(data)


async def test_a_value_larger_still_is_linked_to(world: TopicWorld) -> None:
    data = b'"' + b"x" * LINK_FROM_BYTES + b'"'
    frame = await large(world, data)
    assert frame["url"].startswith(
        f"https://storage.test/payloads/results/tenants/acme/{frame['topic']}/{make_etag(data)}"
    )
