"""Publishing: each message once, in order, in the history before fan-out is told; by whom the namespace lets."""

from __future__ import annotations

import json

import pytest

from push.computes import Tenant
from push.errors import ErrorCode, PushasideError, QueueUnavailableError, RequestError
from push.topics.fan_out_jobs import Nudge
from push.topics.histories import NewMessage
from push.topics.topics import Topic
from request.subscribing.publish_bodies import parse_publication
from request.subscribing.publishing import MAX_DATA_BYTES, MAX_MESSAGES, message_id
from tests.worlds.topics import TopicWorld

NEWS = Topic(Tenant("acme"), "news:it")


@pytest.fixture
def world() -> TopicWorld:
    return TopicWorld()


def publish(world: TopicWorld, data: object = 1, **members: object) -> dict:
    return world.send("publish", **{"topic": "news:it", "principal": "editor", "data": data, **members})


def refusal(world: TopicWorld, **members: object) -> PushasideError:
    with pytest.raises(PushasideError) as caught:
        publish(world, **members)
    return caught.value


def history(world: TopicWorld, topic: Topic = NEWS) -> list[object]:
    return [json.loads(message.data) for message in world.histories.read_latest(topic, 100).messages]


def test_what_is_published_is_in_the_history_and_fan_out_is_told(world: TopicWorld) -> None:
    frame = publish(world, {"n": 1})
    assert frame == {"type": "published", "id": "1", "topic": "news:it", "position": "epoch-1:1"}
    assert history(world) == [{"n": 1}]
    assert world.fan_out.take() == [Nudge("acme/news:it")]


def test_data_are_kept_as_they_were_sent(world: TopicWorld) -> None:
    publish(world, None)
    (message,) = world.histories.read_latest(NEWS, 1).messages
    assert message.data == b"null"


def test_a_history_is_as_long_as_its_namespace_says(world: TopicWorld) -> None:
    for number in range(5):
        publish(world, number)
    assert history(world) == [2, 3, 4]


def test_the_same_message_over_the_same_connection_is_published_once(world: TopicWorld) -> None:
    first = publish(world, "a", id="7")
    again = publish(world, "a", id="7")
    other = publish(world, "b", id="7", connection_id="ben=")
    assert first["position"] == again["position"] != other["position"]
    assert history(world) == ["a", "b"]
    # Who published it first may have died before fan-out was told.
    assert world.fan_out.take() == [Nudge("acme/news:it")] * 3


def test_a_message_with_an_id_of_its_own_is_published_once_over_any_connection(world: TopicWorld) -> None:
    publish(world, "a", message_id="m")
    publish(world, "a", message_id="m", connection_id="ben=")
    assert history(world) == ["a"]


def test_the_ids_of_one_principal_are_not_anothers(world: TopicWorld) -> None:
    for principal in ("ann", "ben"):
        publish(world, principal, topic="any:1", message_id="m", principal=principal)
    assert history(world, Topic(Tenant("acme"), "any:1")) == ["ann", "ben"]
    assert message_id("a/b", "c") != message_id("a", "b/c")


def test_a_message_that_fan_out_could_not_be_told_of_may_be_sent_again(world: TopicWorld) -> None:
    world.fan_out.is_down = True
    assert isinstance(refusal(world, id="7"), QueueUnavailableError)
    world.fan_out.is_down = False
    assert publish(world, id="7")["position"] == "epoch-1:1"
    assert len(world.fan_out.take()) == 1


def test_without_redis_one_is_told_to_ask_again(world: TopicWorld) -> None:
    world.topics.is_down = True
    assert refusal(world).retryable


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"principal": "ann"}, ErrorCode.FORBIDDEN),
        ({"topic": "leaderboard@1:" + "0" * 32}, ErrorCode.FORBIDDEN),
        ({"topic": "news"}, ErrorCode.INVALID_MESSAGE),
        ({"data": "x" * MAX_DATA_BYTES}, ErrorCode.TOO_LARGE),
    ],
    ids=["principal", "live result", "no topic", "too large"],
)
def test_what_may_not_be_published_is_not(world: TopicWorld, members: dict, code: ErrorCode) -> None:
    assert refusal(world, **members).code is code
    assert world.topics.topics == {}
    assert world.fan_out.sent == []


def test_a_topic_is_its_tenants(world: TopicWorld) -> None:
    publish(world, tenant="globex")
    assert history(world) == []


# ---------------------------------------------------------------- the body over HTTP


def parsed(document: object, key: str = "", principal: str = "editor"):
    return parse_publication(json.dumps(document).encode(), key, principal)


def test_a_body_is_one_message_or_several() -> None:
    one, several = parsed({"data": None}), parsed({"messages": [{"data": 1}, {"id": "b", "data": 2}]})
    assert ([message.data for message in one.messages], one.is_batch) == ([b"null"], False)
    assert ([message.data for message in several.messages], several.is_batch) == ([b"1", b"2"], True)
    assert one.messages[0].id == several.messages[0].id == ""
    assert several.messages[1].id


def test_a_key_makes_ids_that_differ_by_place_and_principal() -> None:
    batch = {"messages": [{"data": 1}, {"data": 1}]}
    ids = [message.id for who in ("ann", "ben") for key in ("k", "l") for message in parsed(batch, key, who).messages]
    assert len(set(ids)) == 8
    assert parsed(batch, "k").messages == parsed(batch, "k").messages


def test_an_id_over_http_is_the_same_as_over_a_socket(world: TopicWorld) -> None:
    publish(world, "a", message_id="m")
    (message,) = parsed({"messages": [{"id": "m", "data": "a"}]}).messages
    assert world.histories.append(NEWS, [message], size=9, seconds=60)[0].is_new is False


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", ErrorCode.INVALID_JSON),
        (b'{"data":' + b"[" * 100_000, ErrorCode.INVALID_JSON),
        (b'{"data":"\xff"', ErrorCode.INVALID_JSON),
        (b"{}", ErrorCode.INVALID_MESSAGE),
        (b"[]", ErrorCode.INVALID_MESSAGE),
        (b'{"data":1,"messages":[{"data":1}]}', ErrorCode.INVALID_MESSAGE),
        (b'{"data":1,"messages":null}', ErrorCode.INVALID_MESSAGE),
        (b'{"messages":[]}', ErrorCode.INVALID_MESSAGE),
        (b'{"messages":[{}]}', ErrorCode.INVALID_MESSAGE),
        (b'{"messages":[{"data":1,"id":""}]}', ErrorCode.INVALID_MESSAGE),
        (json.dumps({"messages": [{"data": 1}] * (MAX_MESSAGES + 1)}).encode(), ErrorCode.INVALID_MESSAGE),
    ],
    ids=lambda value: str(value)[:40],
)
def test_another_body_is_refused(body: bytes, code: ErrorCode) -> None:
    with pytest.raises(RequestError) as caught:
        parse_publication(body, "", "editor")
    assert caught.value.code is code


def test_a_key_that_is_too_long_is_refused() -> None:
    with pytest.raises(RequestError):
        parsed({"data": 1}, "k" * 257)


@pytest.mark.parametrize("data", [b'"\xff"', b"1e999", b"[" * 5000 + b"]" * 5000], ids=["text", "number", "depth"])
def test_what_not_every_client_could_read_is_not_published(world: TopicWorld, data: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        world.publishing.publish("news:it", [NewMessage(data)], Tenant("acme"), "editor")
    assert caught.value.code is ErrorCode.INVALID_JSON
