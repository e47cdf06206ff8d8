"""Topics through the functions: subscribed to and published on sockets, pushed by fan-out, resumed after a break."""

from __future__ import annotations

from typing import Any

import pytest

from push.adapters.dynamodb.subscriptions import DynamoDbSubscriptions
from tests.integration.requests.stacks import Stack

LARGE = 300_000


def publish(stack: Stack, *data: object, topic: str = "demo:news") -> list[str]:
    """Publish messages, and return their positions; nothing is pushed yet."""
    frames = [
        stack.send({"action": "publish", "id": f"p{id(each)}{number}", "topic": topic, "data": each}, "eva=")
        for number, each in enumerate(data)
    ]
    assert {frame["type"] for frame in frames} == {"published"}
    return [frame["position"] for frame in frames]


def subscribe(stack: Stack, connection_id: str = "ann=", **members: object) -> dict[str, Any]:
    message = {"action": "subscribe", "id": "s", **members}
    if "compute" not in members:
        message = {"topic": "demo:news", **message}
    return stack.send(message, connection_id)


def push(stack: Stack) -> None:
    """Have everything pushed that is to be."""
    while records := stack.receive("fan-out"):
        assert stack.fan_out(records) == []


def updates(stack: Stack, connection_id: str = "ann=") -> list[dict[str, Any]]:
    return [frame for frame in stack.pushed(connection_id) if frame["type"] in ("update", "resync")]


def data_of(stack: Stack, connection_id: str = "ann=") -> list[object]:
    return [frame["data"] for frame in updates(stack, connection_id)]


def test_what_is_published_reaches_each_subscriber_once_and_in_order(stack: Stack) -> None:
    for connection_id in ("ann=", "ben="):
        assert subscribe(stack, connection_id)["type"] == "subscribed"
    positions = publish(stack, "a", "b", "c")
    push(stack)
    for connection_id in ("ann=", "ben="):
        assert data_of(stack, connection_id) == ["a", "b", "c"]
        assert [frame["position"] for frame in updates(stack, connection_id)] == positions


def test_who_unsubscribed_is_pushed_nothing(stack: Stack) -> None:
    subscribe(stack)
    frame = stack.send({"action": "unsubscribe", "id": "u", "topic": "demo:news"})
    assert frame == {"type": "unsubscribed", "id": "u", "topic": "demo:news"}
    publish(stack, "a")
    push(stack)
    assert updates(stack) == []


def test_another_tenants_topic_is_another(stack: Stack) -> None:
    stack.send({"action": "subscribe", "id": "s", "topic": "demo:news"}, "zoe=", tenant="globex")
    publish(stack, "a")
    push(stack)
    assert updates(stack, "zoe=") == []


def test_who_was_away_is_pushed_what_was_missed_and_then_what_is_new(stack: Stack) -> None:
    subscribe(stack, "old=")
    (since,) = publish(stack, "a")
    push(stack)
    publish(stack, "b", "c")
    push(stack)
    frame = subscribe(stack, "new=", since=since)
    assert (frame["position"], frame["recovered"]) == (since, True)
    push(stack)
    publish(stack, "d")
    push(stack)
    assert data_of(stack, "new=") == ["b", "c", "d"]


def test_who_missed_nothing_is_pushed_what_comes(stack: Stack) -> None:
    subscribe(stack, "old=")
    (since,) = publish(stack, "a")
    push(stack)
    subscribe(stack, "new=", since=since)
    push(stack)
    publish(stack, "b")
    push(stack)
    assert data_of(stack, "new=") == ["b"]


def test_hello_resumes_topics_and_says_which_it_does_not(stack: Stack) -> None:
    positions = {topic: publish(stack, "a", topic=topic)[0] for topic in ("demo:1", "demo:2")}
    publish(stack, "b", topic="demo:1")
    push(stack)
    welcome = stack.send({"action": "hello", "id": "h", "positions": {**positions, "no topic": "e:1"}}, "new=")
    assert welcome["type"] == "welcome"
    assert welcome["refused"]["no topic"]["code"] == "invalid_message"
    assert welcome["refused"].keys() == {"no topic"}
    push(stack)
    assert data_of(stack, "new=") == ["b"]
    publish(stack, "c", topic="demo:2")
    push(stack)
    assert data_of(stack, "new=") == ["b", "c"]


def test_a_redis_that_was_emptied_is_noticed(stack: Stack) -> None:
    (since,) = publish(stack, "a")
    stack.redis.run("FLUSHALL")
    frame = subscribe(stack, since=since)
    assert (frame["recovered"], frame["data"]) == (False, None)
    welcome = stack.send({"action": "hello", "id": "h", "positions": {"demo:news": since}}, "new=")
    assert "refused" not in welcome
    push(stack)
    (frame,) = updates(stack, "new=")
    assert (frame["type"], frame["data"]) == ("resync", None)


def test_a_live_result_is_computed_and_pushed(stack: Stack) -> None:
    frame = subscribe(stack, compute="scripted", params={"name": "x"})
    assert (frame["type"], frame["recovered"]) == ("subscribed", True)
    assert "data" not in frame
    stack.compute()
    push(stack)
    (update,) = updates(stack)
    assert update["topic"] == frame["topic"]
    again = subscribe(stack, "ben=", compute="scripted", params={"name": "x"})
    assert (again["etag"], again["data"]) == (update["etag"], update["data"])
    assert again["position"] == update["position"]


def test_a_large_live_result_comes_with_its_subscription_too(stack: Stack) -> None:
    params = {"name": "x", "size_bytes": LARGE}
    subscribe(stack, compute="scripted", params=params)
    stack.compute()
    push(stack)
    (update,) = updates(stack)
    assert "url" in update
    encoded = subscribe(stack, "ben=", compute="scripted", params=params, accept=["gzip"])
    assert (encoded["encoding"], encoded["etag"]) == ("gzip+base64", update["etag"])


def test_a_connection_has_rows_of_its_own(stack: Stack) -> None:
    subscribe(stack)
    subscribe(stack, compute="scripted")
    subscriptions = DynamoDbSubscriptions(stack.aws.client("dynamodb"), stack.aws.tables["subscriptions"])
    assert subscriptions.count_of("ann=") == 2
    assert len(subscriptions.remove_connection("ann=")) == 2


@pytest.mark.parametrize(
    "message",
    [
        {"action": "subscribe", "topic": "demo:news"},
        {"action": "subscribe", "compute": "scripted"},
        {"action": "unsubscribe", "topic": "demo:news"},
        {"action": "publish", "topic": "demo:news", "data": 1},
    ],
    ids=lambda message: "-".join(message),
)
def test_without_redis_one_is_told_to_ask_again(stack: Stack, nowhere: str, message: dict[str, Any]) -> None:
    stack.configure(CACHE_URL=f"redis://{nowhere}/0", CACHE_TIMEOUT_MS="100")
    frame = stack.send({**message, "id": "7"})
    assert (frame["type"], frame["id"], frame["error"]["retryable"]) == ("error", "7", True)


def test_without_redis_hello_is_answered_all_the_same(stack: Stack, nowhere: str) -> None:
    stack.configure(CACHE_URL=f"redis://{nowhere}/0", CACHE_TIMEOUT_MS="100")
    welcome = stack.send({"action": "hello", "id": "h", "positions": {"demo:news": "e:1"}})
    assert welcome["type"] == "welcome"
    assert welcome["refused"]["demo:news"]["retryable"] is True
