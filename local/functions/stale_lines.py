"""The log lines of `--explain` as they are shown: which result is stale, and which tag changed."""

from __future__ import annotations

import msgspec


class _StaleLine(msgspec.Struct):
    stale_key: str
    message: str


_decoder = msgspec.json.Decoder(_StaleLine)


def show_stale(line: bytes) -> bytes:
    """Return the sentence of a log line that says why a result is stale; any other line as it is."""
    if b'"stale_key"' not in line:
        return line
    try:
        return _decoder.decode(line).message.encode()
    except (msgspec.DecodeError, UnicodeError):
        return line
