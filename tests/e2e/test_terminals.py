"""Three terminals subscribe to a board, scores are written in a fourth, and one of the three loses its network."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import COMMAND, Stack
from tests.patience import PATIENCE_SECONDS
from tests.servers.faulty_network import FaultyNetwork

pytestmark = pytest.mark.slow

AWS = Path(sys.executable).with_name("aws")
CUT_SECONDS = 10.0
BOARD = {"board": "terminals", "top": 10}


class Terminal:
    """One `pushaside subscribe`, and Ada's scores as it printed them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.scores: list[int] = []

    async def until(self, score: int) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.scores[-1:] != [score]:
                update = json.loads(await self._process.stdout.readline())
                self.scores += [each["score"] for each in update["data"] if each["member"] == "ada"]


@asynccontextmanager
async def terminal(url: str) -> AsyncIterator[Terminal]:
    command = [COMMAND, "subscribe", "--compute", "leaderboard", "--params", json.dumps(BOARD), "--json", "--url", url]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        yield Terminal(process)
    finally:
        process.terminate()
        await process.wait()


def write_score(stack: Stack, table: str, score: int) -> None:
    """Write a score as anybody would, with the AWS command line."""
    item: dict[str, Any] = {"board": {"S": "public/terminals"}, "member": {"S": "ada"}, "score": {"N": str(score)}}
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    row = ["--table-name", table, "--item", json.dumps(item)]
    subprocess.run(
        [AWS, "--endpoint-url", stack.aws_endpoint, "dynamodb", "put-item", *row],
        env={**os.environ, **credentials},
        timeout=PATIENCE_SECONDS,
        check=True,
    )


async def test_each_terminal_shows_each_change_once_in_order_and_catches_up_after_a_cut(stack: Stack) -> None:
    (table,) = [name for name in stack.client("dynamodb").list_tables()["TableNames"] if "Scores" in name]
    parts = urlsplit(stack.websocket)
    async with FaultyNetwork(parts.port or 0) as network:
        cut_off_url = f"ws://127.0.0.1:{network.port}{parts.path}"
        async with terminal(stack.websocket) as one, terminal(stack.websocket) as two, terminal(cut_off_url) as cut_off:
            await asyncio.to_thread(write_score, stack, table, 1)
            await asyncio.gather(*(each.until(1) for each in (one, two, cut_off)))
            for score in (2, 3):
                await asyncio.to_thread(write_score, stack, table, score)
                await asyncio.gather(*(each.until(score) for each in (one, two, cut_off)))
            await network.refuse()
            network.reset()
            for score in (4, 5):
                await asyncio.to_thread(write_score, stack, table, score)
                await asyncio.gather(*(each.until(score) for each in (one, two)))
            await asyncio.sleep(CUT_SECONDS)
            await network.heal()
            await cut_off.until(5)
            await asyncio.to_thread(write_score, stack, table, 6)
            await asyncio.gather(*(each.until(6) for each in (one, two, cut_off)))
    assert [one.scores, two.scores] == [[1, 2, 3, 4, 5, 6]] * 2
    assert [score for score in cut_off.scores if score not in (4, 5)] == [1, 2, 3, 6]
    assert cut_off.scores == sorted(set(cut_off.scores))
    assert 5 in cut_off.scores
