"""Live results as their histories keep them: each entry is a whole result, of which only the newest matters.

An entry is a JSON object of the result's `etag` and one of

- `data`: the value, if it is small enough to be kept once more;
- `payload`: the name of the object in the bucket that holds it;
- `error`: the error object of a compute that failed, as it will until something changes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import msgspec

from push.errors import ErrorCode, RequestError
from push.keys import Key
from push.protocol.payloads import payload_name
from push.results import Result, Status
from push.topics.histories import NewMessage

PAYLOAD_FROM_BYTES = 96 * 1024 + 1
"""Values of this size or more are not kept in histories: their payloads are put in the bucket before the entry is."""


class LiveEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of a live result's history: of `data`, `payload` and `error` one is not empty, and says what it is."""

    etag: str
    data: msgspec.Raw = msgspec.Raw()
    payload: str = ""
    error: msgspec.Raw = msgspec.Raw()


@dataclass(frozen=True, slots=True)
class EntryOfResult:
    """What is appended for a result. With a `payload`, its data must be in the bucket under that name before."""

    message: NewMessage
    payload: str = ""


def entry_of(key: Key, result: Result) -> EntryOfResult:
    """Return what a key's history is to hold of a result; the same result has the same id."""
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
    """Read an entry back.

    Raises:
        RequestError: it is none (`invalid_message`).

    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise RequestError(f"An entry is no live result: {exc}.", code=ErrorCode.INVALID_MESSAGE) from exc


class ChangePhase(enum.StrEnum):
    """What was done of late about changes of a live result's sources."""

    NONE = ""
    FIRST = "first"
    """It is computed anew; the next change is to wait."""
    COVERED = "covered"
    """A job is on its way that has not begun: any change until then is covered by it."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(LiveEntry)
