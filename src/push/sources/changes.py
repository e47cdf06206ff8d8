"""Changes of sources: stream records and messages, parsed into tags to invalidate.

There are four kinds of records: those of the streams of the documents' index and of the scores, which differ in the
keys of their tables, S3's notifications of documents written or removed, and tags that callers raise. Each names a
scope and tags. A record that can't be parsed is reported and does not block the others.

Sources: "DynamoDB Streams record format" (DynamoDB API), "Event message structure" (Amazon S3 User Guide).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from push.computes import Tenant
from push.errors import PushasideError, RequestError
from push.keys import parse_tenant
from push.names import Name
from push.queues.bodies import decode_body
from push.sources.boards import board_tag
from push.sources.documents import collection_tag, document_tag
from push.sources.raised_tags import parse_raised_tags
from push.tags import TagScope

_OBJECT_KEY = re.compile(r"documents/([^/]+)/([^/]+)/(.+)\.json")
_TEST_EVENT = "s3:TestEvent"
"""The event that S3 sends to a queue when a notification is configured."""


class Source(enum.StrEnum):
    """The source that reported a change."""

    DOCUMENTS = "documents"
    SCORES = "scores"
    OBJECTS = "objects"
    TAGS = "tags"
    """A caller, which raised tags by name."""


class UnreadableChangeError(PushasideError):
    """A record can't be parsed as a change; a retry would not help."""


@dataclass(frozen=True, slots=True)
class ChangedMember:
    """A member of a tenant's board whose row was written or removed.

    Its score is not part of the change: a change may arrive after a newer state of the row was read.
    """

    tenant: Tenant
    board: str
    member: str


@dataclass(frozen=True, slots=True)
class Change:
    """One change: the tags to invalidate, and their scope."""

    source: Source
    scope: TagScope
    tags: tuple[str, ...]
    member: ChangedMember | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """The changes in one record, or why it can't be parsed. Its id identifies it in a batch's failures."""

    record_id: str
    changes: tuple[Change, ...] = ()
    problem: str = ""


@dataclass(slots=True)
class ScopeChanges:
    """All changes in a scope in one batch: each tag and each member of a board once."""

    scope: TagScope
    tags: dict[str, None] = field(default_factory=dict)
    """In order of first appearance."""
    members: dict[tuple[Tenant, str], dict[str, None]] = field(default_factory=dict)
    """By tenant and board, in order of first appearance."""
    record_ids: list[str] = field(default_factory=list)


def read_records(records: Iterable[Mapping[str, Any]]) -> list[Told]:
    """Parse the records of a batch, from a stream or from the queue of changes, in order."""
    return [_read_record(record) for record in records]


def merge(told: Iterable[Told]) -> list[ScopeChanges]:
    """Merge the changes of a batch by scope, in order of the scopes' first appearance."""
    merged: dict[TagScope, ScopeChanges] = {}
    for each in told:
        for change in each.changes:
            in_scope = merged.setdefault(change.scope, ScopeChanges(change.scope))
            in_scope.tags.update(dict.fromkeys(change.tags))
            if (changed := change.member) is not None:
                in_scope.members.setdefault((changed.tenant, changed.board), {})[changed.member] = None
            if each.record_id not in in_scope.record_ids[-1:]:
                in_scope.record_ids.append(each.record_id)
    return list(merged.values())


def _read_record(record: Mapping[str, Any]) -> Told:
    is_message = record["eventSource"] == "aws:sqs"
    record_id = record["messageId"] if is_message else record["dynamodb"]["SequenceNumber"]
    try:
        changes = parse_message(record["body"]) if is_message else (parse_stream_record(record),)
    except UnreadableChangeError as exc:
        return Told(record_id, problem=exc.message)
    return Told(record_id, changes)


class _Text(msgspec.Struct, rename={"text": "S"}):
    text: str


class _StreamData(msgspec.Struct, rename={"keys": "Keys"}):
    keys: dict[str, _Text]


class _StreamRecord(msgspec.Struct):
    dynamodb: _StreamData


def parse_stream_record(record: Mapping[str, Any]) -> Change:
    """Parse a record of the stream of the documents' index or of the scores.

    Raises:
        UnreadableChangeError: it is neither, or it holds an invalid name.

    """
    data = _convert(record, _StreamRecord).dynamodb
    keys = {name: value.text for name, value in data.keys.items()}
    match keys:
        case {"collection": partition, "id": document_id}:
            tenant, collection = _split_partition(partition)
            return _document_change(Source.DOCUMENTS, tenant, collection, document_id)
        case {"board": partition, "member": member}:
            tenant, board = _split_partition(partition)
            return Change(Source.SCORES, tenant, (board_tag(board),), ChangedMember(tenant, board, member))
        case _:
            raise UnreadableChangeError(f"A record has the keys {sorted(keys)}, which belong to no source.")


class _Kind(msgspec.Struct):
    tags: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def parse_message(body: str) -> tuple[Change, ...]:
    """Parse a message of the queue of changes: an S3 notification, or tags that a caller raised.

    Raises:
        UnreadableChangeError: it is neither.

    """
    try:
        document = decode_body(body)
        if msgspec.json.decode(document, type=_Kind).tags is msgspec.UNSET:
            return parse_notification(document)
        raised = parse_raised_tags(document)
        return (Change(Source.TAGS, raised.tag_scope, raised.tags),)
    except RequestError as exc:
        raise UnreadableChangeError(exc.message) from exc
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise UnreadableChangeError(f"A message is not JSON: {exc}.") from exc


class _S3Object(msgspec.Struct):
    key: str


class _S3Data(msgspec.Struct):
    object: _S3Object


class _S3Record(msgspec.Struct):
    s3: _S3Data


class _Notification(msgspec.Struct, rename={"event": "Event", "records": "Records"}):
    event: str = ""
    records: tuple[_S3Record, ...] | None = None


def parse_notification(body: str) -> tuple[Change, ...]:
    """Parse an S3 notification into the changes of its objects; S3's test event has none.

    Raises:
        UnreadableChangeError: it is not a notification, or an object's name is not a document's.

    """
    try:
        notification = msgspec.json.decode(body, type=_Notification)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as exc:
        raise UnreadableChangeError(f"A message is not an S3 notification: {exc}.") from exc
    if notification.event == _TEST_EVENT:
        return ()
    if notification.records is None:
        raise UnreadableChangeError("A message is not an S3 notification: it has no records.")
    return tuple(_object_change(unquote_plus(record.s3.object.key)) for record in notification.records)


def _object_change(key: str) -> Change:
    found = _OBJECT_KEY.fullmatch(key)
    if found is None:
        raise UnreadableChangeError(f"The object {key!r} does not have a document's name.")
    tenant, collection, document_id = found.groups()
    return _document_change(Source.OBJECTS, _tenant(tenant), _name(collection), document_id)


def _document_change(source: Source, tenant: Tenant, collection: str, document_id: str) -> Change:
    return Change(source, tenant, (document_tag(collection, document_id), collection_tag(collection)))


def _split_partition(partition: str) -> tuple[Tenant, str]:
    tenant, _, name = partition.partition("/")
    return _tenant(tenant), _name(name)


def _tenant(text: str) -> Tenant:
    try:
        return parse_tenant(text)
    except PushasideError as exc:
        raise UnreadableChangeError(f"{text!r} is not a valid tenant.") from exc


def _name(text: str) -> str:
    name: str = _convert(text, Name)
    return name


def _convert(value: object, kind: Any) -> Any:  # noqa: ANN401 - as varied as what is read
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as exc:
        raise UnreadableChangeError(f"A record can't be parsed: {exc}.") from exc
