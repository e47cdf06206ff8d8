"""Compute the cost of one delivery of a result by its form: bytes out, units of 32 KB that API Gateway bills, dollars.

The results are those of the demo's computes, and larger ones merged from several documents. The functions' own code
writes each result in every form: plain, gzip+base64, chunks of either if it exceeds a message, and a link whose payload
the client fetches from S3. A mark shows the chosen form for a client that reads gzip (*) and for any other (+).

Dollars are per million deliveries at the list prices of docs/cost.md. The benchmark sends nothing.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import boto3
import msgspec
from botocore.config import Config

from benchmarks._measuring import demo_results, print_table
from compute.synthetic import make_content
from local.demo import airport_documents, read_airports, temperature_documents
from push.adapters.s3.payloads import S3Payloads
from push.computes import Tenant
from push.keys import Key
from push.protocol.chunks import split_message
from push.protocol.frames import (
    MAX_FRAME_BYTES,
    CacheState,
    render_result,
    render_result_head,
    render_with_encoded,
    render_with_link,
)
from push.protocol.large_answers import encode_data, fits_message, is_large, render_large_result
from push.protocol.payloads import LINK_SECONDS, payload_name
from push.results import Result, Status, make_etag

MESSAGE_DOLLARS = 1.00
"""Dollars per million units of 32 KB."""

GIGABYTE_DOLLARS = 0.09
FETCH_DOLLARS = 0.40
"""Dollars per million S3 GETs."""

REQUEST_ID = "6f1f2a52-6c3f-4ac5-9a0f-2d1f3b9a7c11"
NOW_MS = 1_732_000_000_000
TOKEN_CHARACTERS = 1000
"""The approximate size of the session token of a function's role, which is part of a link."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form of delivery: its messages, and the bytes that the client fetches."""

    name: str
    messages: tuple[str, ...]
    fetched_bytes: int = 0

    @property
    def sent_bytes(self) -> int:
        return sum(len(message.encode()) for message in self.messages)

    @property
    def units(self) -> int:
        return sum(-(-len(message.encode()) // MAX_FRAME_BYTES) for message in self.messages)

    @property
    def dollars(self) -> float:
        egress = (self.sent_bytes + self.fetched_bytes) / 1000 * GIGABYTE_DOLLARS
        return self.units * MESSAGE_DOLLARS + egress + (FETCH_DOLLARS if self.fetched_bytes else 0)


def make_results() -> dict[str, bytes]:
    """Return the demo's results, and results merged from several of its documents."""
    airports = [msgspec.json.decode(document.content) for document in airport_documents(read_airports())]
    temperatures = [msgspec.json.decode(document.content) for document in temperature_documents()]
    return demo_results() | {
        "both years of temperatures": msgspec.json.encode(temperatures),
        "all airports": msgspec.json.encode([airport for state in airports for airport in state]),
        "synthetic, 5 MB": make_content(5 * 1024 * 1024, 0),
    }


def make_payloads() -> S3Payloads:
    def make_client(service: str) -> object:
        return boto3.client(
            service,  # type: ignore[call-overload] # it is a variable here
            region_name="us-east-1",
            aws_access_key_id="ASIA0000000000000000",
            aws_secret_access_key="unused",
            aws_session_token="x" * TOKEN_CHARACTERS,
            config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
        )

    return S3Payloads("pushaside-123456789012-us-east-1", make_client)


def make_forms(key: Key, result: Result, payloads: S3Payloads) -> Iterator[Form]:
    subject = (REQUEST_ID, key, result, CacheState.HIT, NOW_MS)
    plain, encoded, head = render_result(*subject), encode_data(result.data), render_result_head(*subject)
    yield _whole_or_split("plain", plain)
    if encoded and is_large(result):
        yield _whole_or_split("gzip+base64", render_with_encoded(head, encoded))
    url = payloads.link(payload_name(key, result.etag), LINK_SECONDS)
    yield Form("link", (render_with_link(head, url),), len(gzip.compress(result.data, 6)))


def _whole_or_split(name: str, message: str) -> Form:
    if fits_message(message):
        return Form(name, (message,))
    chunks = split_message(REQUEST_ID, message)
    return Form(f"{name}, {len(chunks)} chunks", tuple(chunks))


def choose(key: Key, result: Result, payloads: S3Payloads, *, accepts: bool) -> tuple[str, ...]:
    """Return the messages that the functions would send."""
    encoded = encode_data(result.data) if accepts and is_large(result) else ""
    name = payload_name(key, result.etag)
    frames = render_large_result(
        REQUEST_ID,
        key,
        result,
        CacheState.HIT,
        NOW_MS,
        encoded=encoded,
        link=lambda: payloads.link(name, LINK_SECONDS),
    )
    return tuple(frames)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    payloads = make_payloads()
    key = Key(Tenant("public"), "documents", 1, "5f0c" * 8)
    rows = []
    for title, data in sorted(make_results().items(), key=lambda item: len(item[1])):
        result = Result(Status.VALUE, NOW_MS, NOW_MS, NOW_MS, make_etag(data), data)
        chosen = {mark: choose(key, result, payloads, accepts=mark == "*") for mark in "*+"}
        for form in make_forms(key, result, payloads):
            marks = "".join(mark for mark, messages in chosen.items() if _are_alike(messages, form.messages))
            sent = f"{form.sent_bytes:,}" + (f" + {form.fetched_bytes:,}" if form.fetched_bytes else "")
            rows.append(
                (f"{title}, {len(data):,} bytes", f"{form.name} {marks}", sent, form.units, f"{form.dollars:.2f}")
            )
    print_table(("result", "form", "bytes out", "units of 32 KB", "$ per million"), rows)


def _are_alike(messages: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Return whether messages have the same form. Two links to one payload differ in the time of their signatures."""
    return [len(message) for message in messages] == [len(other) for other in others]


if __name__ == "__main__":
    main()
