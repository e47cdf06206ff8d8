"""Messages of the queue of changes: each is recognized by its own form.

| message | form |
| --- | --- |
| tags that a caller raised | `{"tags": [...], ...}` |
| a notification of S3 | `{"Records": [{"s3": ...}]}`, or `{"Event": "s3:TestEvent"}` |
| an event of EventBridge | `{"detail-type": ..., "source": ..., "detail": ...}` |
| an event of a declared rule | `{"pushaside_source": NAME, "event": {...}}` |
| a message of an SNS topic | `{"Type": "Notification", "TopicArn": ..., "Message": ...}` |

Sources: "Event message structure" and "EventBridge event message structure" (Amazon S3 User Guide); "AWS service event
metadata" (Amazon EventBridge User Guide); "Parsing Amazon SNS message formats" (Amazon SNS Developer Guide).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from push.changes.facts import EventSent, Fact, MessagePublished, ObjectWritten
from push.changes.records import UnreadableChangeError
from push.errors import RequestError
from push.sources.raised_tags import parse_raised_tags

TAGS_EVENT = "Pushaside Tags"
"""The `detail-type` of an event of EventBridge that raises tags: its detail is the body of `POST /changes`."""

NAMED_SOURCE, NAMED_EVENT = "pushaside_source", "event"
"""The members that the InputTransformer of a declared rule makes."""

_TEST_EVENT = "s3:TestEvent"
"""The event that S3 sends to a queue when a notification is configured."""


def parse_message(document: str) -> list[Fact]:
    """Parse a message of the queue of changes.

    Raises:
        UnreadableChangeError: it has none of the forms.

    """
    body = _decode(document)
    match body:
        case {"tags": _}:
            return [_parse_tags(document)]
        case {"pushaside_source": str(name), "event": dict(event)}:
            return [_parse_event(event, name)]
        case {"detail-type": str(), "source": str(source), "detail": dict()}:
            return [_parse_event(body, source)]
        case {"Type": "Notification", "TopicArn": str(arn), "Message": str(message)}:
            return _parse_topic_message(arn, message)
        case {"Records": _} | {"Event": _}:
            return parse_notification(body)
        case _:
            raise UnreadableChangeError(
                f"A message with the members {_members_of(body)} has no form that tells a change."
            )


class _Bucket(msgspec.Struct):
    name: str


class _Object(msgspec.Struct):
    key: str


class _S3Data(msgspec.Struct):
    bucket: _Bucket
    object: _Object


class _S3Record(msgspec.Struct):
    s3: _S3Data
    event: str = msgspec.field(name="eventName", default="")


class _Notification(msgspec.Struct):
    event: str = msgspec.field(name="Event", default="")
    records: tuple[_S3Record, ...] | None = msgspec.field(name="Records", default=None)


def parse_notification(body: object) -> list[Fact]:
    """Parse a notification that S3 sent to a queue; its test event tells nothing. Keys of objects come URL-encoded.

    Raises:
        UnreadableChangeError: it is none.

    """
    notification: _Notification = _convert(body, _Notification, "a notification of S3")
    if notification.event == _TEST_EVENT:
        return []
    if notification.records is None:
        raise UnreadableChangeError("A message is not a notification of S3: it has no records.")
    return [
        ObjectWritten(
            record.s3.bucket.name,
            unquote_plus(record.s3.object.key),
            "delete" if "ObjectRemoved" in record.event or "Expiration" in record.event else "update",
        )
        for record in notification.records
    ]


def _parse_event(event: Mapping[str, Any], name: str) -> Fact:
    if event.get("detail-type") == TAGS_EVENT:
        return _parse_tags(msgspec.json.encode(event.get("detail")).decode())
    if event.get("source") == "aws.s3":
        # Here the key is not URL-encoded.
        told: _S3Data = _convert(event.get("detail"), _S3Data, "an event of S3")
        operation = event.get("detail-type")
        return ObjectWritten(told.bucket.name, told.object.key, "delete" if operation == "Object Deleted" else "update")
    return EventSent(name, event)


def _parse_topic_message(arn: str, message: str) -> list[Fact]:
    """Return what a message of a topic tells: a topic that passes a bucket's notifications on tells of the objects."""
    try:
        body = msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return [MessagePublished(arn, message)]
    match body:
        case {"Event": "s3:TestEvent"}:
            return []
        case {"Records": [{"s3": _}, *_]}:
            return parse_notification(body)
        case _:
            return [MessagePublished(arn, body)]


def _parse_tags(document: str) -> Fact:
    try:
        raised = parse_raised_tags(document)
        _ = raised.tag_scope  # a tenant that is missing shows here
    except RequestError as exc:
        raise UnreadableChangeError(exc.message) from exc
    return raised


def _decode(document: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise UnreadableChangeError(f"A message is not JSON: {exc}.") from exc


def _convert(body: object, kind: Any, name: str) -> Any:  # noqa: ANN401 - as the kind
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as exc:
        raise UnreadableChangeError(f"A message is not {name}: {exc}.") from exc


def _members_of(body: object) -> list[str]:
    return sorted(body)[:10] if isinstance(body, dict) else []
