"""What is asked for: small documents and large ones, the same bytes for everybody."""

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
"""With a seed of seven digits it is 400 digits of text: with its frame, some 500 bytes."""

SMALL_DOCUMENTS = 1000
LARGE_BYTES = 100_000
LARGE_DOCUMENTS = 20

_FIRST_SEED = 1_000_000
_cold_seeds = itertools.count(2_000_000)


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """What a key stands for; ours is a compute with params, and `key` is what the peers call it."""

    key: str
    compute: str
    params: Mapping[str, Any]
    content: bytes


@cache
def small_documents() -> tuple[Document, ...]:
    """Return the documents of hits."""
    return tuple(_synthetic(_FIRST_SEED + number) for number in range(SMALL_DOCUMENTS))


def cold_document() -> Document:
    """Return a document that was never asked for."""
    return _synthetic(next(_cold_seeds))


def _synthetic(seed: int) -> Document:
    params = {"size_bytes": SMALL_BYTES, "seed": seed}
    return Document(f"synthetic:{seed}", "synthetic", params, make_content(SMALL_BYTES, seed))


@cache
def large_documents() -> tuple[Document, ...]:
    """Return daily temperatures of a year, each document from another day on."""
    days = msgspec.json.decode(temperature_documents()[0].content)["days"]
    rows = [day | {"station": "KSEA"} for day in days]
    contents = (cut(msgspec.json.encode(rows[day:] + rows[:day]), LARGE_BYTES) for day in range(LARGE_DOCUMENTS))
    return tuple(
        Document(f"documents:{number}", "documents", {"collection": f"large{number}"}, content)
        for number, content in enumerate(contents)
    )


def gzip_text(content: bytes) -> str:
    """Return base64 of gzip, as a text frame can carry it."""
    return binascii.b2a_base64(gzip.compress(content, 6, mtime=0), newline=False).decode()


def is_gzip_of(text: str, content: bytes) -> bool:
    """Say whether a text is base64 of gzip of a content."""
    return gzip.decompress(binascii.a2b_base64(text)) == content


def values_for_redis() -> dict[str, bytes]:
    """Return what the peers find in Redis: documents by key, and by `gzip:` and the key the large ones compressed."""
    large = large_documents()
    plain = {document.key: document.content for document in (*small_documents(), *large)}
    return plain | {f"gzip:{document.key}": msgspec.json.encode(gzip_text(document.content)) for document in large}
