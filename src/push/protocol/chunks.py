"""Chunks: the pieces of a message that exceeds the size limit, each of which fits a frame.

The pieces, joined in the order of their `index`, are the JSON text of the message. A `chunk` message's size counts in
UTF-8, escapes included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from push.protocol.frames import MAX_FRAME_BYTES

_UNICODE_ESCAPE_BYTES = len(r"\u0000")
_LARGEST_NUMBER = 99_999
"""Reserves room for an index and a count; so many pieces hold 3 GB."""


def split_message(request_id: str, message: str) -> list[str]:
    """Return the `chunk` messages that carry a message, none larger than a frame.

    `of` identifies the text: the same result written a moment later has pieces with a different `of`.
    """
    quoted_id = msgspec.json.encode(request_id).decode()
    of = hashlib.sha256(message.encode()).hexdigest()[:16]
    largest_head = _render_head(quoted_id, _LARGEST_NUMBER, _LARGEST_NUMBER, of)
    room = MAX_FRAME_BYTES - len(largest_head.encode()) - len('"}')
    pieces = list(_cut(msgspec.json.encode(message)[1:-1], room))
    return [f'{_render_head(quoted_id, index, len(pieces), of)}{piece}"}}' for index, piece in enumerate(pieces)]


def _render_head(quoted_id: str, index: int, count: int, of: str) -> str:
    return f'{{"type":"chunk","id":{quoted_id},"index":{index},"count":{count},"of":"{of}","data":"'


def _cut(escaped: bytes, room: int) -> Iterator[str]:
    """Cut the inside of a JSON string into pieces of at most `room` bytes; each is valid inside a JSON string."""
    start = 0
    while len(escaped) - start > room:
        end = _last_boundary(escaped, start, start + room)
        yield escaped[start:end].decode()
        start = end
    yield escaped[start:].decode()


def _last_boundary(escaped: bytes, start: int, end: int) -> int:
    """Return the last place up to `end` that is not inside a character or an escape; `start` is such a place."""
    # UTF-8's continuation bytes look like 10xxxxxx.
    while escaped[end] & 0xC0 == 0x80:
        end -= 1
    backslash = escaped.rfind(b"\\", max(start, end - _UNICODE_ESCAPE_BYTES + 1), end)
    if backslash < 0:
        return end
    before = escaped[start : backslash + 1]
    is_escaped_itself = (len(before) - len(before.rstrip(b"\\"))) % 2 == 0
    length = _UNICODE_ESCAPE_BYTES if escaped[backslash + 1 : backslash + 2] == b"u" else 2
    return end if is_escaped_itself or backslash + length <= end else backslash
