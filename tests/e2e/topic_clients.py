"""A plain client of topics: frames on a socket, and what it is told of a topic, in the order in which it came."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.patience import PATIENCE_SECONDS

ANSWER_SECONDS = PATIENCE_SECONDS

Frame = dict[str, Any]


class Listener:
    """One socket: answers go to who asked, and all else to the queue of its topic, but for what it has been told."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._answers: dict[str, asyncio.Future[Frame]] = {}
        self._told: defaultdict[str, asyncio.Queue[Frame]] = defaultdict(asyncio.Queue)
        self._positions: dict[str, tuple[str, int]] = {}
        self._etags: dict[str, str | None] = {}
        self._resyncs: dict[str, Frame] = {}
        self.repeated = 0
        self._reading = asyncio.create_task(self._read())

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, **options: Any) -> AsyncIterator[Self]:
        async with connect(url, **options) as socket:
            listener = cls(socket)
            try:
                yield listener
            finally:
                listener._reading.cancel()

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                frame: Frame = json.loads(text)
                if (asked := self._answers.pop(frame.get("id", ""), None)) is not None:
                    asked.set_result(frame)
                if self._is_news(frame):
                    self._told[frame["topic"]].put_nowait(frame)
        except ConnectionClosed:
            return

    def _is_news(self, frame: Frame) -> bool:
        """Drop what comes once more, as every client must: by its offset, and a live result's value by its etag."""
        if frame.get("type") not in {"subscribed", "update", "resync"}:
            return frame.get("type") == "presence"
        topic, etag, position = frame["topic"], frame.get("etag"), (epoch_of(frame), offset_of(frame))
        epoch, offset = self._positions.get(topic, ("", 0))
        if frame["type"] == "update" and position[0] == epoch and position[1] <= offset:
            self.repeated += 1
            return False
        if frame["type"] == "resync" and frame == self._resyncs.get(topic) and position == (epoch, offset):
            return False
        self._positions[topic] = position
        if frame["type"] == "resync":
            self._resyncs[topic] = frame
        if frame["type"] == "subscribed" and etag is None:
            self._drop_what_came_before(topic, *position)
        is_old_value = etag is not None and etag == self._etags.get(topic)
        self._etags[topic] = etag
        return not is_old_value and (frame["type"] != "subscribed" or etag is not None)

    def _drop_what_came_before(self, topic: str, epoch: str, offset: int) -> None:
        """Forget updates up to where a subscription begins: what is pushed may come before its answer."""
        told = self._told[topic]
        for early in [told.get_nowait() for _ in range(told.qsize())]:
            if early["type"] != "update" or (epoch_of(early) == epoch and offset_of(early) > offset):
                told.put_nowait(early)
                if early["type"] == "update":
                    self._positions[topic] = epoch, offset_of(early)

    async def ask(self, action: str, **fields: object) -> Frame:
        """Send a message and return its answer."""
        request_id = uuid.uuid4().hex
        self._answers[request_id] = answer = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps({"action": action, "id": request_id, **fields}))
        async with asyncio.timeout(ANSWER_SECONDS):
            return await answer

    async def subscribe(self, **fields: object) -> Frame:
        """Subscribe, and return `subscribed`."""
        answer = await self.ask("subscribe", **fields)
        assert answer["type"] == "subscribed", answer
        return answer

    async def publish(self, topic: str, data: object, **fields: object) -> str:
        """Publish, and return the position."""
        answer = await self.ask("publish", topic=topic, data=data, **fields)
        assert answer["type"] == "published", answer
        position: str = answer["position"]
        return position

    async def next(self, topic: str, seconds: float = ANSWER_SECONDS) -> Frame:
        """Return what the client is told next of a topic; a live result's value also where `subscribed` has it."""
        async with asyncio.timeout(seconds):
            return await self._told[topic].get()

    async def updates(self, topic: str, count: int) -> list[Frame]:
        """Return the next updates of a topic."""
        told = [await self.next(topic) for _ in range(count)]
        assert {frame["type"] for frame in told} == {"update"}, told
        return told

    async def hears_nothing(self, topic: str, seconds: float = 1.0) -> bool:
        """Say whether a topic stays silent for so long."""
        try:
            await self.next(topic, seconds)
        except TimeoutError:
            return True
        return False


def offset_of(frame: Frame) -> int:
    """Return the offset of a frame's position."""
    return int(frame["position"].rpartition(":")[2])


def epoch_of(frame: Frame) -> str:
    """Return the epoch of a frame's position."""
    epoch: str = frame["position"].partition(":")[0]
    return epoch
