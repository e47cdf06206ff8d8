"""Large results over a socket, in every form that the protocol has, against the whole stack."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
import urllib.request
import uuid
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.conftest import Stack
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

MEGABYTES_5 = 5 * 1024 * 1024


async def ask(socket: ClientConnection, params: dict[str, Any], **members: object) -> tuple[str, dict[str, Any]]:
    """Ask for a synthetic result, and return the message that answers and how it came."""
    request = {"action": "request", "id": uuid.uuid4().hex, "compute": "synthetic", "params": params, **members}
    await socket.send(json.dumps(request))
    pieces: dict[int, str] = {}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            text = await socket.recv()
            message = json.loads(text)
            assert len(text.encode()) <= (32 * 1024 if message["type"] == "chunk" else 128 * 1024)
            if message["type"] == "result":
                return message.get("encoding", "link" if "url" in message else "plain"), message
            if message["type"] == "chunk":
                pieces[message["index"]] = message["data"]
                if len(pieces) == message["count"]:
                    return "chunks", json.loads("".join(pieces[index] for index in sorted(pieces)))
            else:
                assert message["type"] == "accepted", message


def sha256_of(message: dict[str, Any]) -> str:
    if "url" in message:
        with urllib.request.urlopen(message["url"], timeout=10) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            data = gzip.decompress(response.read())
    elif "encoding" in message:
        data = gzip.decompress(base64.b64decode(message["data"]))
    else:
        data = json.dumps(message["data"], separators=(",", ":")).encode()
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("size_bytes", "accept", "form"),
    [
        (2000, ["gzip"], "plain"),
        (60_000, [], "plain"),
        (60_000, ["gzip"], "gzip+base64"),
        (160_000, ["gzip"], "gzip+base64"),
        (180_000, [], "chunks"),
        (400_000, ["gzip"], "chunks"),
        (MEGABYTES_5, ["gzip"], "link"),
        (MEGABYTES_5, [], "link"),
    ],
    ids=str,
)
async def test_a_result_arrives_whole_when_it_is_a_miss_and_when_it_is_a_hit(
    stack: Stack, size_bytes: int, accept: list[str], form: str
) -> None:
    params = {"size_bytes": size_bytes, "seed": uuid.uuid4().hex}
    async with connect(stack.websocket, max_size=None) as socket:
        await socket.send(json.dumps({"action": "hello", "id": "1", "accept": accept}))
        assert json.loads(await socket.recv())["type"] == "welcome"
        answers = [await ask(socket, params) for _ in range(3)]
    assert [came for came, _ in answers] == [form] * 3
    assert [message["cache"] for _, message in answers] == ["miss", "hit", "hit"]
    assert len({sha256_of(message) for _, message in answers}) == 1


async def test_a_request_may_say_otherwise_than_its_connection(stack: Stack) -> None:
    params = {"size_bytes": 60_000, "seed": uuid.uuid4().hex}
    async with connect(stack.websocket) as socket:
        assert [(await ask(socket, params, accept=accept))[0] for accept in (["gzip"], [], ["gzip"])] == [
            "gzip+base64",
            "plain",
            "gzip+base64",
        ]
