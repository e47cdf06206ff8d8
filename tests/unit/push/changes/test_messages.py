"""Messages of the queue of changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from push.changes.facts import EventSent, MessagePublished, ObjectWritten
from push.changes.messages import parse_message
from push.changes.records import UnreadableChangeError
from push.sources.raised_tags import RaisedTags
from tests.builders.change_records import TOPIC_ARN, event_of, notification, topic_message


def parse(body: object) -> list[Any]:
    return parse_message(json.dumps(body))


def test_a_notification_of_s3_tells_of_its_objects_whose_keys_come_encoded() -> None:
    assert parse_message(notification("reports/a b+é.json", "x")) == [
        ObjectWritten("storage", "reports/a b+é.json", "update"),
        ObjectWritten("storage", "x", "update"),
    ]


@pytest.mark.parametrize(
    "event", ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "LifecycleExpiration:Delete"]
)
def test_an_object_may_be_removed(event: str) -> None:
    body = json.loads(notification("x"))
    body["Records"][0]["eventName"] = event
    assert parse(body) == [ObjectWritten("storage", "x", "delete")]


def test_s3_trying_the_queue_tells_nothing() -> None:
    assert parse({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "storage"}) == []


@pytest.mark.parametrize(
    ("detail_type", "operation"),
    [("Object Created", "update"), ("Object Deleted", "delete"), ("Object Restored", "update")],
)
def test_an_event_of_s3_tells_of_an_object_whose_key_is_not_encoded(detail_type: str, operation: str) -> None:
    event = event_of("aws.s3", detail_type, {"bucket": {"name": "files"}, "object": {"key": "a+b%20c", "size": 1}})
    (told,) = parse(event)
    assert (told.bucket, told.key, told.operation) == ("files", "a+b%20c", operation)


def test_an_event_has_the_name_that_its_rule_gave_it() -> None:
    event = event_of("shop.prices", "Changed", {"sku": 7})
    assert parse({"pushaside_source": "prices", "event": event}) == [EventSent("prices", event)]


def test_an_event_without_a_name_has_that_of_its_sender() -> None:
    event = event_of("shop.prices", "Changed", {"sku": 7})
    assert parse(event) == [EventSent("shop.prices", event)]


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_an_event_may_raise_tags(is_wrapped: bool) -> None:
    event = event_of("shop", "Pushaside Tags", {"tags": ["rates"], "tenant": "acme"})
    body = {"pushaside_source": "any", "event": event} if is_wrapped else event
    assert parse(body) == [RaisedTags(("rates",), tenant="acme")]


@pytest.mark.parametrize(("message", "body"), [('{"deal":1}', {"deal": 1}), ("plain", "plain"), ("[", "[")])
def test_a_message_of_a_topic_is_json_or_text(message: str, body: object) -> None:
    assert parse(topic_message("deals", message)) == [MessagePublished(TOPIC_ARN.format("deals"), body)]


def test_a_topic_may_pass_the_notifications_of_a_bucket_on() -> None:
    assert parse(topic_message("uploads", notification("x"))) == [ObjectWritten("storage", "x", "update")]
    assert parse(topic_message("uploads", '{"Event":"s3:TestEvent"}')) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "{}",
        '"text"',
        '{"Records":[{}]}',
        '{"Records":null}',
        '{"Event":"s3:Other"}',
        '{"tags":["rates"]}',
        '{"tags":["@Orders"],"scope":"all"}',
        '{"tags":["rates"],"tenant":"*"}',
        '{"tags":["rates"],"scope":"every"}',
        '{"tags":["rates"],"scope":"shared","tenant":"acme"}',
        '{"tags":[],"tenant":"acme"}',
        '{"pushaside_source":1,"event":{}}',
        json.dumps(event_of("aws.s3", "Object Created", {})),
        json.dumps(event_of("shop", "Pushaside Tags", {"tags": ["rates"]})),
        json.dumps(event_of("shop", "Pushaside Tags", {})),
    ],
)
def test_a_message_of_another_form_is_unreadable(body: str) -> None:
    with pytest.raises(UnreadableChangeError):
        parse_message(body)
