"""Templates of messages: JSON in which names and computed values stand for what is known only when it is sent."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import rfc8785

Names = Mapping[str, Any]
"""What `${name.member}` can refer to: messages that were named with `as`, and `links`."""

_REFERENCE = re.compile(r"\$\{([a-z0-9_]+)\.([a-z_]+)\}")


def dump(value: object) -> str:
    """Write JSON as the service does: etags and digests are of this text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def fill_in(template: object, names: Names) -> Any:
    """Put in what a template refers to and computes.

    Raises:
        KeyError: it refers to what has no name.

    """
    match template:
        case str():
            return _fill_in_text(template, names)
        case list():
            return [fill_in(each, names) for each in template]
        case {**members} if len(members) == 1 and (name := next(iter(members))) in _COMPUTED:
            return _COMPUTED[name](fill_in(members[name], names), names)
        case dict():
            return {name: fill_in(member, names) for name, member in template.items()}
        case _:
            return template


def make_etag(text: str) -> str:
    """Hash the JSON of data as the service does."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _fill_in_text(text: str, names: Names) -> Any:
    if (whole := _REFERENCE.fullmatch(text)) is not None:
        return names[whole[1]][whole[2]]
    return _REFERENCE.sub(lambda found: str(names[found[1]][found[2]]), text)


def _compress(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _digest(data: Any, _names: Names) -> str:
    return hashlib.sha256(rfc8785.dumps(data)).hexdigest()[:24]


def _repeat(operands: list[Any], _names: Names) -> Any:
    what, times = operands
    return what * times


_COMPUTED: dict[str, Callable[[Any, Names], Any]] = {
    "$gzip": lambda data, _names: _compress(dump(data)),
    "$gzip_of_text": lambda text, _names: _compress(text),
    "$etag": lambda data, _names: make_etag(dump(data)),
    "$etag_of_text": lambda text, _names: make_etag(text),
    "$digest": _digest,
    "$repeat": _repeat,
    "$link": lambda name, names: names["links"][name],
}
