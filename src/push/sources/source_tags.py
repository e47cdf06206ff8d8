"""The written form of tags of sources: different things have different tags, and each tag is short."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

MAX_SOURCE_TAG_BYTES = 160
"""The longest tag of a source. Redis and DynamoDB hold each tag several times."""

_KEPT_CHARACTERS = 126
_CUT = "~"
"""Stands between the beginning of a long tag and its hash. `escape` leaves none in a short tag."""

_PLAIN = " !$'()*+,-./:;@_|"
"""The characters beside letters and digits that stay readable; those with a meaning in a tag are not among them."""

_is_plain = re.compile(f"[A-Za-z0-9{re.escape(_PLAIN)}]*".encode()).fullmatch


@dataclass(frozen=True, slots=True)
class SourceTag:
    """A tag that a read records, and the tags that may stand for it.

    Args:
        text: the tag.
        wider: others, from narrow to wide: a change that raises the tag raises each of them, so any one can be recorded
            in its place. The last stands for the whole source.

    """

    text: str
    wider: tuple[str, ...] = ()


def escape(text: str | bytes) -> str:
    """Return text in the form that it has in a tag: percent-encoded UTF-8 where a character has a meaning in tags.

    Source: RFC 3986, section 2.1.
    """
    encoded = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    # Most text is plain, and quoting takes ten times as long as to see that.
    if _is_plain(encoded):
        return encoded.decode("ascii")
    return quote(encoded, safe=_PLAIN).replace(_CUT, "%7E")


@lru_cache(maxsize=1024)
def escape_name(name: str) -> str:
    """Do as `escape` does, for names of sources and of attributes, which are few."""
    return escape(name)


def fit(tag: str) -> str:
    """Return a tag that is made of escaped parts, or if it is too long its beginning and a hash of all of it."""
    if len(tag) <= MAX_SOURCE_TAG_BYTES:
        return tag
    return f"{tag[:_KEPT_CHARACTERS]}{_CUT}{hashlib.sha256(tag.encode()).hexdigest()[:32]}"
