"""A fast path for text messages in one frame, as nearly all messages are.

The layout is that of RFC 6455, section 5.2. websockets' `ServerProtocol` takes several times as long for a message, and
handles everything else: fragments, control frames, invalid frames and incomplete ones.
"""

from __future__ import annotations

from typing import Final

try:
    from websockets.speedups import apply_mask
except ImportError:  # there is no wheel of websockets for every platform
    from websockets.utils import apply_mask

LARGEST: Final = 0xFFFF
"""The size in bytes of the largest message that these functions read or write."""

_WHOLE_TEXT: Final = 0x81
_MASKED: Final = 0x80
_TWO_BYTES_LENGTH: Final = 126
_EIGHT_BYTES_LENGTH: Final = 127
_MASK_BYTES: Final = 4


def read_text_frames(data: bytes, limit: int) -> tuple[list[bytes], bytes]:
    r"""Return the messages at the beginning of data, and the rest for the protocol to read.

    `data` must begin at a message. Messages of more than `limit` bytes stay in the rest.

    >>> read_text_frames(bytes.fromhex("8185 37fa213d 7f9f4d5158 8900"), 100)
    ([b'Hello'], b'\x89\x00')
    """
    messages: list[bytes] = []
    start, end = 0, len(data)
    while end - start > _MASK_BYTES + 1 and data[start] == _WHOLE_TEXT:
        length, first = data[start + 1] - _MASKED, start + 2
        if length == _TWO_BYTES_LENGTH:
            length, first = data[start + 2] << 8 | data[start + 3], start + 4
        elif length < 0 or length == _EIGHT_BYTES_LENGTH:
            break
        last = first + _MASK_BYTES + length
        if last > end or length > limit or length > LARGEST:
            break
        messages.append(apply_mask(data[first + _MASK_BYTES : last], data[first : first + _MASK_BYTES]))
        if last == end:
            return messages, b""
        start = last
    return messages, data[start:]


def write_text_frame(message: bytes) -> bytes:
    """Return a server's frame for a message of at most `LARGEST` bytes.

    >>> write_text_frame(b"Hello").hex(" ")
    '81 05 48 65 6c 6c 6f'
    """
    length = len(message)
    if length < _TWO_BYTES_LENGTH:
        return b"%c%c%b" % (_WHOLE_TEXT, length, message)
    return b"%c%c%b%b" % (_WHOLE_TEXT, _TWO_BYTES_LENGTH, length.to_bytes(2), message)
