"""Entries of live results in their histories: each is a whole result, and only the newest matters.

An entry is a JSON object with the result's `etag` and one of

- `data`: the value, if it is small enough to be stored again;
- `payload`: the name of the object in the bucket that holds the value;
- `error`: the error object of a failed compute.
"""

from __future__ import annotations

import enum

import msgspec

from push.errors import ErrorCode, RequestError
from push.keys import Key
from push.protocol.payloads import payload_name
from push.results import Result, Status
from push.topics.histories import NewMessage

PAYLOAD_FROM_BYTES = 96 * 1024 + 1
"""Values of at least this size are not stored in histories; their payload is stored in the bucket before the entry."""


class LiveEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of a live result's history; exactly one of `data`, `payload` and `error` is not empty."""

    etag: str
    data: msgspec.Raw = msgspec.Raw()
    payload: str = ""
    error: msgspec.Raw = msgspec.Raw()


class EntryOfResult(msgspec.Struct, frozen=True):
    """The entry for a result. With a `payload`, the caller first stores the data in the bucket under that name."""

    message: NewMessage
    payload: str = ""


def entry_of(key: Key, result: Result) -> EntryOfResult:
    """Return the history entry for a result; the same result has the same id."""
    payload = ""
    if result.status is Status.FAILURE:
        entry = LiveEntry(result.etag, error=msgspec.Raw(result.data))
    elif len(result.data) < PAYLOAD_FROM_BYTES:
        entry = LiveEntry(result.etag, data=msgspec.Raw(result.data))
    else:
        payload = payload_name(key, result.etag)
        entry = LiveEntry(result.etag, payload=payload)
    message_id = f"{result.etag} {result.computed_at_ms}"
    return EntryOfResult(NewMessage(_encoder.encode(entry), message_id, result.etag), payload)


def parse_entry(data: bytes) -> LiveEntry:
    """Parse an entry.

    Raises:
        RequestError: the data is not an entry (`invalid_message`).

    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise RequestError(f"An entry is not a live result: {exc}.", code=ErrorCode.INVALID_MESSAGE) from exc


class ChangePhase(enum.StrEnum):
    """The recent handling of changes of a live result's sources."""

    NONE = ""
    FIRST = "first"
    """The result is being refreshed; the next change waits."""
    COVERED = "covered"
    """A queued job has not started; it covers every change until then."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(LiveEntry)
