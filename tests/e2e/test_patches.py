"""One field of a document changes: who asked for patches is pushed that field, and everybody else the document."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

import pushaside
import pushaside.protocol.patches
from push.results import make_etag
from push.topics.patches import Patch, PatchKind, apply_patch
from tests.e2e.conftest import Stack
from tests.e2e.sources import Sources
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

SECONDS = PATIENCE_SECONDS
CHANGES = 5
FILLER = {f"field {number}": "something that stays as it is" for number in range(30)}

Frame = dict[str, Any]


class Holder:
    """One client that holds a live result, by its values and its patches."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.frames: list[Frame] = []
        self.value = b""

    async def subscribe(self, params: dict[str, Any], *accept: str) -> None:
        message = {"action": "subscribe", "id": "1", "compute": "documents", "params": params, "accept": accept}
        await self._socket.send(json.dumps(message))
        await self.until(0)

    async def until(self, version: int) -> None:
        """Receive until the document is of a version."""
        while not self.value or json.loads(self.value)["version"] != version:
            async with asyncio.timeout(SECONDS):
                frame: Frame = json.loads(await self._socket.recv())
            self.frames.append(frame)
            self._apply(frame)

    def _apply(self, frame: Frame) -> None:
        if "data" in frame:
            self.value = write(frame["data"])
        for kind in PatchKind:
            if (body := frame.get(f"{kind}_patch")) is not None:
                self.value = apply_patch(self.value, Patch(kind, write(body), frame["base"], frame["digest"]))
        if "etag" in frame:
            assert make_etag(self.value) == frame["etag"], "the documents are written without blanks, and in order"


def write(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


async def test_what_changed_is_pushed_to_who_asked_for_patches(stack: Stack, sources: Sources) -> None:
    collection = uuid.uuid4().hex
    await asyncio.to_thread(sources.put_document, collection, "a", {"version": 0, **FILLER})
    async with connect(stack.websocket) as one, connect(stack.websocket) as other:
        patched, full = Holder(one), Holder(other)
        params = {"collection": collection, "query": "[0]"}
        await asyncio.gather(patched.subscribe(params, "patch"), full.subscribe(params))
        for version in range(1, CHANGES + 1):
            await asyncio.to_thread(sources.put_document, collection, "a", {"version": version, **FILLER})
            await asyncio.gather(patched.until(version), full.until(version))
    assert patched.value == full.value
    assert not any("base" in frame for frame in full.frames)
    patches = [frame["merge_patch"] for frame in patched.frames if "merge_patch" in frame]
    assert patches[-1] == {"version": CHANGES}
    assert len(patches) >= CHANGES - 1, "only the first change has no entry before it"


async def test_the_client_applies_what_it_is_pushed(
    stack: Stack, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[object] = []
    apply = pushaside.protocol.patches.Patch.apply

    def note(patch: pushaside.protocol.patches.Patch, value: object) -> object:
        applied.append(apply(patch, value))
        return applied[-1]

    monkeypatch.setattr(pushaside.protocol.patches.Patch, "apply", note)
    collection = uuid.uuid4().hex
    await asyncio.to_thread(sources.put_document, collection, "a", {"version": 0, **FILLER})
    params = {"collection": collection, "query": "[0]"}
    async with (
        asyncio.timeout(3 * SECONDS),
        pushaside.connect(stack.websocket) as client,
        client.subscribe(compute="documents", params=params, patches=True) as document,
    ):
        for version in range(CHANGES + 1):
            if version:
                await asyncio.to_thread(sources.put_document, collection, "a", {"version": version, **FILLER})
            async for update in document:
                if update.data["version"] == version:
                    break
            assert update.data == {"version": version, **FILLER}
            assert update.etag == make_etag(write(update.data))
    assert len(applied) >= CHANGES - 1
