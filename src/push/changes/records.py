"""One change of a source as a function with `@changes_of` receives it, and the tags that it returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from push.errors import PushasideError, RequestError
from push.keys import parse_tenant
from push.results import is_storable
from push.tags import ALL_SCOPES, MAX_TAG_BYTES, SOURCE_MARK, TagScope, say_reserved


class UnreadableChangeError(PushasideError):
    """A record can't be parsed, or belongs to no source; a retry would not help."""


Operation = Literal["insert", "update", "delete", "event"]
"""What happened: to a row or an object, or `event` if the record does not tell."""


class ChangeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a source, as plain values.

    Args:
        source: the name of the source in pushaside.toml.
        operation: what happened; `event` for what is neither a row nor an object.
        at: when it was written or sent, in seconds since 1970; 0 if the record does not tell.
        body: the whole JSON of a stream's record, of an event or of a notification; a notification that is not JSON is
            a str. None for tables and buckets.
        table: `schema.table` of a row in the formats `dms` and `debezium`.
        key: the primary key of a table's row.
        old: the row before, if the record has it.
        new: the row after, if the record has it.
        object_key: the key of a bucket's object.

    """

    source: str
    operation: Operation = "event"
    at: float = 0.0
    body: Any = None
    table: str = ""
    key: Mapping[str, Any] | None = None
    old: Mapping[str, Any] | None = None
    new: Mapping[str, Any] | None = None
    object_key: str = ""


class ChangedTag(msgspec.Struct, frozen=True):
    """A tag that changed in the scope of one tenant, or in the shared scope. A plain str is a tag of all scopes.

    Args:
        tag: the tag.
        tenant: the tenant whose results depend on it; None if these are the results that all tenants share.

    Raises:
        ValueError: the tag or the tenant can't be one.

    """

    tag: str
    tenant: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no result can depend on."""
        check_tag(self.tag)
        if self.tenant is not None:
            try:
                parse_tenant(self.tenant)
            except RequestError as exc:
                raise ValueError(f"{self.tenant!r} is not a tenant's name.") from exc


def read_tags(returned: object) -> list[tuple[str, TagScope]]:
    """Return the tags that a function returned, each with its scope: an iterable of tags, a single one, or None.

    Raises:
        TypeError: something is neither a str nor a `ChangedTag`.
        ValueError: a str can't be a tag.

    """
    match returned:
        case None:
            return []
        case str() | ChangedTag():
            return [_read_tag(returned)]
        case Iterable():
            return [_read_tag(tag) for tag in returned]
        case _:
            return [_read_tag(returned)]


def _read_tag(tag: object) -> tuple[str, TagScope]:
    match tag:
        case str():
            return check_tag(tag), ALL_SCOPES
        case ChangedTag():
            return tag.tag, None if tag.tenant is None else parse_tenant(tag.tenant)
        case _:
            raise TypeError(f"A tag is {tag!r}. Return strings, or push.ChangedTag(tag, tenant).")


def check_tag(tag: str) -> str:
    """Return a tag of an author's.

    Raises:
        ValueError: it is empty, too long, or it begins like the tags that Pushaside makes.

    """
    if not tag or not is_storable((tag,), 0):
        raise ValueError(f"The tag {tag[:MAX_TAG_BYTES]!r} does not have 1 to {MAX_TAG_BYTES} bytes of UTF-8.")
    if tag.startswith(SOURCE_MARK):
        raise ValueError(say_reserved(tag))
    return tag
