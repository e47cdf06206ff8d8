"""Results that fill no frame, a message or several: through the handlers as Lambda calls them, as clients get them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import urllib.request
from typing import Any

import pytest

from compute.synthetic import make_content
from push.protocol.payloads import LINK_FROM_BYTES
from tests.integration.requests.stacks import Stack

MEGABYTES_5 = 5 * 1024 * 1024


@pytest.fixture(autouse=True)
def _synthetic(stack: Stack) -> None:
    stack.configure(ALLOW_SYNTHETIC="true")


def ask(stack: Stack, request_id: str, size_bytes: int, **members: object) -> dict[str, Any]:
    return stack.ask(request_id, compute="synthetic", params={"size_bytes": size_bytes}, **members)


def joined(frames: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the chunks of one message together."""
    assert {frame["type"] for frame in frames} == {"chunk"}
    assert len({frame["of"] for frame in frames}) == 1
    pieces = {frame["index"]: frame["data"] for frame in frames}
    assert sorted(pieces) == list(range(frames[0]["count"]))
    return json.loads("".join(pieces[index] for index in sorted(pieces)))


def read(message: dict[str, Any]) -> tuple[str, bytes]:
    """Return a result's form and its data's JSON."""
    if "url" in message:
        with urllib.request.urlopen(message["url"], timeout=10) as response:
            assert (response.headers["Content-Encoding"], response.headers["Content-Type"]) == (
                "gzip",
                "application/json",
            )
            return "link", gzip.decompress(response.read())
    if "encoding" in message:
        return message["encoding"], gzip.decompress(base64.b64decode(message["data"]))
    return "plain", json.dumps(message["data"], separators=(",", ":")).encode()


def deliver(stack: Stack, connection_id: str) -> list[dict[str, Any]]:
    """Have the delivery queue emptied, and return what the connection got by that."""
    before = len(stack.pushed(connection_id))
    while records := stack.receive("delivery"):
        assert stack.notify(records) == []
    return stack.pushed(connection_id)[before:]


def test_a_request_that_accepts_gzip_is_answered_so_and_others_are_not(stack: Stack) -> None:
    ask(stack, "1", 50_000, accept=["gzip"])
    ask(stack, "2", 50_000, connection_id="ben=")
    stack.compute()
    assert read(*stack.pushed("ann=")) == ("gzip+base64", make_content(50_000, 0))
    assert read(*stack.pushed("ben=")) == ("plain", make_content(50_000, 0))
    assert read(ask(stack, "3", 50_000, accept=["br", "gzip"])) == ("gzip+base64", make_content(50_000, 0))
    assert read(ask(stack, "4", 50_000)) == ("plain", make_content(50_000, 0))


def test_what_hello_said_counts_for_every_environment_and_for_what_is_computed(stack: Stack) -> None:
    stack.send({"action": "hello", "id": "1", "accept": ["gzip"]}, "ann=")
    stack.send({"action": "hello", "id": "1", "accept": []}, "ben=")
    stack.environments.begin()
    for connection_id in ("ann=", "ben=", "cat="):
        ask(stack, "2", 50_000, connection_id=connection_id)
    stack.compute()
    assert [read(*stack.pushed(each))[0] for each in ("ann=", "ben=", "cat=")] == ["gzip+base64", "plain", "plain"]
    assert read(ask(stack, "3", 50_000))[0] == "gzip+base64"
    assert read(ask(stack, "4", 50_000, accept=[]))[0] == "plain"


@pytest.mark.parametrize("accept", [[], ["gzip"]], ids=str)
def test_what_fits_no_message_comes_in_chunks_pushed_or_by_the_delivery_queue(stack: Stack, accept: list[str]) -> None:
    size_bytes, form = (400_000, "gzip+base64") if accept else (200_000, "plain")
    ask(stack, "1", size_bytes, accept=accept)
    stack.compute()
    missed = joined(stack.pushed())
    assert (missed["id"], missed["cache"], read(missed)) == ("1", "miss", (form, make_content(size_bytes, 0)))
    assert ask(stack, "2", size_bytes, accept=accept) == {"type": "accepted", "id": "2"}
    hit = joined(deliver(stack, "ann="))
    assert (hit["id"], hit["cache"], hit["etag"]) == ("2", "hit", missed["etag"])
    assert read(hit) == (form, make_content(size_bytes, 0))


@pytest.mark.parametrize("size_bytes", [LINK_FROM_BYTES, MEGABYTES_5])
def test_what_is_larger_still_is_a_link_however_it_is_answered(stack: Stack, size_bytes: int) -> None:
    ask(stack, "1", size_bytes, accept=["gzip"])
    stack.compute()
    (missed,) = stack.pushed()
    hit = ask(stack, "2", size_bytes)
    stack.environments.begin()
    another = ask(stack, "3", size_bytes)
    sums = {hashlib.sha256(read(each)[1]).hexdigest() for each in (missed, hit, another)}
    assert [read(each)[0] for each in (missed, hit, another)] == ["link"] * 3
    assert sums == {hashlib.sha256(make_content(size_bytes, 0)).hexdigest()}


def test_a_link_is_followed_though_redis_is_away(stack: Stack, nowhere: str) -> None:
    stack.configure(CACHE_URL=f"redis://{nowhere}/0", CACHE_CONNECT_TIMEOUT_MS="50")
    ask(stack, "1", MEGABYTES_5)
    stack.compute(stack.receive())
    (message,) = stack.pushed()
    assert read(message) == ("link", make_content(MEGABYTES_5, 0))
