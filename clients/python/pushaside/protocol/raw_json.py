"""The JSON of a member as it was written, byte for byte, which parsing and writing it again may change."""

from __future__ import annotations

import json

_decoder = json.JSONDecoder()
_BLANKS = " \t\n\r"


def raw_member(text: str, *path: str) -> str:
    """Return the text of a member of an object, or of a member of that member, and so on.

    The text must be valid JSON. If a name occurs several times, the last one counts, as for most parsers.

    >>> raw_member('{"id":1, "data": {"data" : [1.0,  2]} }', "data", "data")
    '[1.0,  2]'

    Raises:
        KeyError: the member does not exist.

    """
    for name in path:
        text = _members(text)[name]
    return text


def _members(text: str) -> dict[str, str]:
    members: dict[str, str] = {}
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        name, at = _decoder.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        _, at = _decoder.raw_decode(text, start)
        members[name] = text[start:at]
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return members


def _skip(text: str, at: int) -> int:
    while text[at] in _BLANKS:
        at += 1
    return at
