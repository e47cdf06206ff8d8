"""The gateway remembers which connections subscribe to which results, so that a reload can repeat the messages."""

from __future__ import annotations

import json

from local.functions.invocation import Invocation, Outcome
from local.gateway.live_subscriptions import LiveSubscriptions


def text_of(compute: str, message_id: str = "1") -> str:
    return json.dumps({"action": "subscribe", "id": message_id, "compute": compute, "params": {}})


def answered(kind: str, topic: str, *, is_text: bool = True) -> Invocation:
    frame = json.dumps({"type": kind, "id": "1", "topic": topic})
    answer = frame if is_text else json.dumps({"statusCode": 200, "body": frame})
    return Invocation(Outcome.RETURNED, answer.encode(), is_text)


def note(subscriptions: LiveSubscriptions, connection_id: str, text: str, invocation: Invocation) -> None:
    passed: list[Invocation] = []
    subscriptions.noting(connection_id, text, passed.append)(invocation)
    assert passed == [invocation]


def test_a_confirmed_subscription_is_remembered_by_its_compute() -> None:
    live = LiveSubscriptions()
    note(live, "ann=", text_of("orders"), answered("subscribed", "orders@1:a"))
    note(live, "ben=", text_of("orders"), answered("subscribed", "orders@1:a", is_text=False))
    note(live, "ben=", text_of("stock"), answered("subscribed", "stock@1:b"))
    assert list(live.of(["orders"])) == [("ann=", text_of("orders")), ("ben=", text_of("orders"))]


def test_the_last_message_of_a_topic_is_remembered_once() -> None:
    live = LiveSubscriptions()
    for message_id in ("1", "2"):
        note(live, "ann=", text_of("orders", message_id), answered("subscribed", "orders@1:a"))
    assert list(live.of(["orders"])) == [("ann=", text_of("orders", "2"))]


def test_refused_subscriptions_and_channels_are_not_remembered() -> None:
    live = LiveSubscriptions()
    note(live, "ann=", text_of("orders"), answered("error", "orders@1:a"))
    note(live, "ann=", text_of("orders"), Invocation(Outcome.RAISED, b'{"errorType": "KeyError"}'))
    note(live, "ann=", json.dumps({"action": "subscribe", "topic": "chat:a"}), answered("subscribed", "chat:a"))
    assert list(live.of(["orders"])) == []


def test_an_ended_subscription_and_an_ended_connection_are_forgotten() -> None:
    live = LiveSubscriptions()
    for connection_id in ("ann=", "ben="):
        note(live, connection_id, text_of("orders"), answered("subscribed", "orders@1:a"))
    unsubscribe = json.dumps({"action": "unsubscribe", "id": "2", "topic": "orders@1:a"})
    note(live, "ann=", unsubscribe, answered("unsubscribed", "orders@1:a"))
    live.forget("ben=")
    assert list(live.of(["orders"])) == []
