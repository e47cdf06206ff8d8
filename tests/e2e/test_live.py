"""A score is written, and everybody who subscribes to the board sees the change, in order."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.conftest import Stack
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

SUBSCRIBERS = 3
CHANGES = 10
SECONDS = PATIENCE_SECONDS

Frame = dict[str, Any]


class Watcher:
    """One client that subscribes to a board, and what it was told."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.frames: list[Frame] = []

    async def subscribe(self, board: str) -> Frame:
        message = {"action": "subscribe", "id": uuid.uuid4().hex, "compute": "leaderboard", "params": {"board": board}}
        await self._socket.send(json.dumps(message))
        while True:
            frame = await self._receive()
            if frame["type"] == "subscribed":
                assert frame["id"] == message["id"]
                return frame

    async def until(self, score: int) -> None:
        """Receive until the board shows a score."""
        while self.scores[-1:] != [score]:
            await self._receive()

    @property
    def scores(self) -> list[int]:
        """Ada's score in everything that was told, once for each change."""
        scores: list[int] = []
        for frame in self.frames:
            found = [each["score"] for each in frame.get("data") or () if each["member"] == "ada"]
            scores += [score for score in found if score not in scores[-1:]]
        return scores

    @property
    def offsets(self) -> list[int]:
        updates = [frame for frame in self.frames if frame["type"] == "update"]
        return [int(frame["position"].rpartition(":")[2]) for frame in updates]

    async def _receive(self) -> Frame:
        async with asyncio.timeout(SECONDS):
            frame: Frame = json.loads(await self._socket.recv())
        self.frames.append(frame)
        return frame


@pytest.fixture
def scores_table(stack: Stack) -> str:
    resources = stack.client("cloudformation").describe_stack_resources(StackName="local")["StackResources"]
    names = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    name: str = names["ScoresTable"]
    return name


@pytest.fixture
async def watchers(stack: Stack) -> AsyncIterator[list[Watcher]]:
    async with AsyncExitStack() as sockets:
        yield [Watcher(await sockets.enter_async_context(connect(stack.websocket))) for _ in range(SUBSCRIBERS)]


def put_score(stack: Stack, table: str, board: str, score: int) -> None:
    row = {"board": {"S": f"public/{board}"}, "member": {"S": "ada"}, "score": {"N": str(score)}}
    stack.client("dynamodb").put_item(TableName=table, Item=row)


async def test_each_change_of_a_board_is_seen_by_everybody_in_order(
    stack: Stack, scores_table: str, watchers: list[Watcher]
) -> None:
    board = uuid.uuid4().hex
    await asyncio.to_thread(put_score, stack, scores_table, board, 0)
    await asyncio.gather(*(watcher.subscribe(board) for watcher in watchers))
    await asyncio.gather(*(watcher.until(0) for watcher in watchers))
    for score in range(1, CHANGES + 1):
        began = time.monotonic()
        await asyncio.to_thread(put_score, stack, scores_table, board, score)
        await asyncio.gather(*(watcher.until(score) for watcher in watchers))
        assert time.monotonic() - began < 5, "a change took very long to be seen"
    for watcher in watchers:
        assert watcher.scores == list(range(CHANGES + 1))
        assert watcher.offsets == sorted(set(watcher.offsets))


async def test_of_quick_changes_the_last_is_always_seen(
    stack: Stack, scores_table: str, watchers: list[Watcher]
) -> None:
    board = uuid.uuid4().hex
    await asyncio.gather(*(watcher.subscribe(board) for watcher in watchers))
    for score in range(1, 101):
        await asyncio.to_thread(put_score, stack, scores_table, board, score)
    await asyncio.gather(*(watcher.until(100) for watcher in watchers))
    for watcher in watchers:
        assert watcher.scores == sorted(watcher.scores)


async def test_a_subscriber_who_comes_later_starts_from_the_value_and_goes_on(
    stack: Stack, scores_table: str, watchers: list[Watcher]
) -> None:
    board = uuid.uuid4().hex
    early, late, _ = watchers
    await asyncio.to_thread(put_score, stack, scores_table, board, 1)
    await early.subscribe(board)
    await early.until(1)
    await asyncio.to_thread(put_score, stack, scores_table, board, 2)
    await early.until(2)
    await late.subscribe(board)
    await late.until(2)
    await asyncio.to_thread(put_score, stack, scores_table, board, 3)
    await asyncio.gather(early.until(3), late.until(3))
    assert early.scores == [1, 2, 3]
    assert late.scores == [2, 3]
