"""What a running stack says on its sockets: every message is of the document, and all but one of it are heard."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest
import websockets

from tests.documentation.asyncapi import SERVERS, declared_members, fitting, payload_of
from tests.e2e.conftest import Stack, running
from tests.e2e.sources import Sources
from tests.infrastructure.test_asyncapi import BAD, GOOD

pytestmark = pytest.mark.slow

LASTS_SECONDS = 24
MOST_POSITIONS = 10
"""A `hello` with a thousand positions brings no other kind of message, and costs the stack ten seconds of CPU."""

FILLER = {f"field{number}": number for number in range(200)}

Frame = dict[str, Any]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One whose connections end soon, so that a `bye` is heard."""
    with running(tmp_path_factory.mktemp("recorded"), "--max-connection", str(LASTS_SECONDS)) as started:
        yield started


class Recorder:
    """A socket, all that came on it, and what the chunks among it make."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._pieces: dict[tuple[str, str], dict[int, str]] = {}
        self.heard: list[Frame] = []

    @classmethod
    @asynccontextmanager
    async def at(cls, stack: Stack, recording: list[Frame]) -> AsyncIterator[Self]:
        async with websockets.connect(stack.websocket) as socket:
            recorder = cls(socket)
            try:
                yield recorder
            finally:
                recording += recorder.heard

    async def say(self, action: str, **members: object) -> str:
        request_id = uuid.uuid4().hex
        await self._socket.send(json.dumps({"action": action, "id": request_id, **members}))
        return request_id

    async def send(self, text: str) -> None:
        await self._socket.send(text)

    async def until(self, is_it: Callable[[Frame], bool]) -> Frame:
        """Listen until something has come."""
        async with asyncio.timeout(LASTS_SECONDS + 10):
            while True:
                for frame in self._take(json.loads(await self._socket.recv())):
                    if is_it(frame):
                        return frame

    async def until_type(self, name: str) -> Frame:
        return await self.until(lambda frame: frame.get("type") == name)

    async def ask(self, action: str, **members: object) -> Frame:
        """Return what answers in the end."""
        asked = await self.say(action, **members)
        return await self.until(lambda frame: frame.get("id") == asked and frame["type"] not in {"accepted", "chunk"})

    def _take(self, frame: Frame) -> list[Frame]:
        self.heard.append(frame)
        if frame.get("type") != "chunk":
            return [frame]
        pieces = self._pieces.setdefault((frame["id"], frame["of"]), {})
        pieces[frame["index"]] = frame["data"]
        if len(pieces) < frame["count"]:
            return [frame]
        return [frame, *self._take(json.loads("".join(pieces[index] for index in sorted(pieces))))]


async def results(recorder: Recorder) -> None:
    params = {"seed": uuid.uuid4().hex}
    forms = {
        "data": {"size_bytes": 2000},
        "encoding": {"size_bytes": 60_000},
        "chunks": {"size_bytes": 400_000},
        "url": {"size_bytes": 5_000_000},
    }
    for form, size in forms.items():
        asked = {"compute": "synthetic", "params": {**params, **size}, "accept": ["gzip"]}
        for _ in range(2):
            answer = await recorder.ask("request", **asked)
            assert form == "chunks" or form in answer
    live = {"compute": "synthetic", "params": {**params, "size_bytes": 400_000}, "accept": ["gzip"]}
    assert "data" in await recorder.ask("subscribe", **live)
    assert (await recorder.ask("subscribe", compute="no-such-compute"))["type"] == "error"


async def channels(recorder: Recorder, other: Recorder) -> None:
    positions = {"demo:recorded": "anEpoch:7", "nonsense": "e:1"}
    assert (await recorder.ask("hello", accept=["gzip"], positions=positions))["refused"].keys() == {"nonsense"}
    await recorder.until_type("resync")
    await other.ask("subscribe", topic="demo:recorded")
    await recorder.until(lambda frame: frame.get("type") == "presence" and frame["count"] == 2)
    published = await other.ask("publish", topic="demo:recorded", data={"n": 1}, message_id="once")
    await recorder.until(lambda frame: frame.get("position") == published["position"])
    assert (await other.ask("subscribe", topic="demo:recorded", since="anEpoch:7"))["type"] == "subscribed"
    assert (await other.ask("unsubscribe", topic="demo:recorded"))["type"] == "unsubscribed"
    await recorder.send('{"action":"ping"}')
    await recorder.until_type("pong")


async def changes(recorder: Recorder, sources: Sources) -> None:
    collection = uuid.uuid4().hex
    await asyncio.to_thread(sources.put_document, collection, "a", {"version": 0, **FILLER})
    params = {"collection": collection, "query": "[0]"}
    topic = (await recorder.ask("subscribe", compute="documents", params=params, accept=["patch"]))["topic"]
    for version in range(1, 4):
        await asyncio.to_thread(sources.put_document, collection, "a", {"version": version, **FILLER})
        await recorder.until(
            lambda frame: frame.get("topic") == topic and bool(frame.keys() & {"merge_patch", "data", "url"})
        )


async def refusals(recorder: Recorder) -> None:
    """Say what is no message, and what is one, and wait for an answer to the last of it."""
    messages = [*BAD, *(message for message in GOOD if len(message.get("positions") or {}) <= MOST_POSITIONS)]
    for message in messages:
        await recorder.send(json.dumps(message))
    for text in (
        "",
        "{",
        "\ud7ff",
        '"',
        '{"action":"request","id":"1","compute":"documents","params":{"collection":7}}',
    ):
        await recorder.send(text)
    async with asyncio.timeout(LASTS_SECONDS):
        while sum("id" in frame or frame.get("type") == "error" for frame in recorder.heard) < len(messages):
            await recorder.until(lambda _: True)


async def farewell(recorder: Recorder) -> None:
    await recorder.ask("hello")
    await recorder.ask("subscribe", topic="news:recorded")
    await recorder.until_type("bye")


@pytest.fixture(scope="module")
def recording(stack: Stack) -> list[Frame]:
    return asyncio.run(record(stack))


async def record(stack: Stack) -> list[Frame]:
    frames: list[Frame] = []
    sources = Sources(stack, await asyncio.to_thread(stack.resources))

    async def told(*scenes: Any) -> None:
        for scene in scenes:
            async with Recorder.at(stack, frames) as one, Recorder.at(stack, frames) as other:
                await scene(one, other)

    async with asyncio.TaskGroup() as group:
        group.create_task(told(lambda one, _: farewell(one)))
        group.create_task(
            told(
                lambda one, _: results(one),
                channels,
                lambda one, _: changes(one, sources),
                lambda one, _: refusals(one),
            )
        )
    return frames


def test_every_message_is_one_that_is_described_without_anything_else(recording: list[Frame]) -> None:
    assert len(recording) > 100
    for frame in recording:
        (name,) = fitting(frame, SERVERS)
        assert frame.keys() <= declared_members(payload_of(name)), frame


def test_all_are_heard_but_what_a_failing_function_has_the_gateway_say(recording: list[Frame]) -> None:
    assert {name for frame in recording for name in fitting(frame, SERVERS)} == SERVERS - {"gatewayError"}


def test_large_data_and_changes_are_heard_in_each_form(recording: list[Frame]) -> None:
    members = {member for frame in recording for member in frame}
    assert {"encoding", "url", "of", "merge_patch", "refused"} <= members
