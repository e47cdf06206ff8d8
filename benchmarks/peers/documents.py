"""The documents that peers serve: small and large ones, the same bytes for all peers."""

from __future__ import annotations

import binascii
import gzip
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from benchmarks._measuring import cut
from compute.synthetic import make_content
from local.demo import temperature_documents

SMALL_BYTES = 426
"""With a seed of seven digits the text has 400 digits, about 500 bytes with its frame."""

SMALL_DOCUMENTS = 1000
LARGE_BYTES = 100_000
LARGE_DOCUMENTS = 20

_FIRST_SEED = 1_000_000
_cold_seeds = itertools.count(2_000_000)


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A document. Pushaside identifies it by a compute with params, and the peers by `key`."""

    key: str
    compute: str
    params: Mapping[str, Any]
    content: bytes


@cache
def small_documents() -> tuple[Document, ...]:
    """Return the documents of hits."""
    return tuple(_synthetic(_FIRST_SEED + number) for number in range(SMALL_DOCUMENTS))


def cold_document() -> Document:
    """Return a document that was never requested."""
    return _synthetic(next(_cold_seeds))


def _synthetic(seed: int) -> Document:
    params = {"size_bytes": SMALL_BYTES, "seed": seed}
    return Document(f"synthetic:{seed}", "synthetic", params, make_content(SMALL_BYTES, seed))


@cache
def large_documents() -> tuple[Document, ...]:
    """Return documents of daily temperatures of a year, each from another day on."""
    days = msgspec.json.decode(temperature_documents()[0].content)["days"]
    rows = [day | {"station": "KSEA"} for day in days]
    contents = (cut(msgspec.json.encode(rows[day:] + rows[:day]), LARGE_BYTES) for day in range(LARGE_DOCUMENTS))
    return tuple(
        Document(f"documents:{number}", "documents", {"collection": f"large{number}"}, content)
        for number, content in enumerate(contents)
    )


def gzip_text(content: bytes) -> str:
    """Return a content as gzip in base64, for a text frame."""
    return binascii.b2a_base64(gzip.compress(content, 6, mtime=0), newline=False).decode()


def is_gzip_of(text: str, content: bytes) -> bool:
    """Return whether a text is the content as gzip in base64."""
    return gzip.decompress(binascii.a2b_base64(text)) == content


def values_for_redis() -> dict[str, bytes]:
    """Return the peers' content of Redis: documents by key, and large ones compressed by `gzip:` and the key."""
    large = large_documents()
    plain = {document.key: document.content for document in (*small_documents(), *large)}
    return plain | {f"gzip:{document.key}": msgspec.json.encode(gzip_text(document.content)) for document in large}
