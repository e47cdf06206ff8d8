"""What docs/client.md says is so, and the exit codes of docs/commands.md."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from pushaside import Settings
from pushaside.cli.exits import MEANINGS
from pushaside.errors import (
    CLASSES,
    CannotConnectError,
    ConnectionClosedError,
    UnreadableResultError,
    UnverifiedWebhookError,
)
from tests.integration.client.scripted_http import Answer, Asked, ScriptedHttp, json_answer
from tests.integration.client.scripted_server import Peer, ScriptedServer
from tests.integration.client.topic_server import LIVE_TOPIC, Topics
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "client.md").read_text()
PAGE_OF_COMMANDS = (ROOT / "docs" / "commands.md").read_text()
URL, HTTP_URL = "ws://127.0.0.1:8080/v1", "http://127.0.0.1:8080/"
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^\$ pushaside (.*)$", PAGE, re.MULTILINE)


async def with_demo_data(peer: Peer) -> None:
    topics = Topics()
    await topics.publish(LIVE_TOPIC, [{"iata": "DFW"}])
    while (message := await peer.messages.get()) is not None:
        if message["action"] != "request":
            await topics.take(peer, message)
        elif message["compute"] == "documents":
            await peer.result(message, data=[{"iata": "DFW"}])
        else:
            await peer.error(message, "unknown_compute")


def by_http(asked: Asked) -> Answer:
    if asked.method == "POST":
        return json_answer({"id": asked.document["id"], "status": "pending"}, 202)
    result = {"type": "result", "id": "r1", "key": "documents@1:ab", "etag": "5f2a", "cache": "miss", "age_ms": 0}
    return json_answer({"id": "r1", "status": "done", "result": {**result, "data": [{"iata": "DFW"}]}})


async def run(*arguments: str) -> tuple[int | None, str]:
    path = str(ROOT / "clients" / "python")
    with ScriptedHttp(script=by_http) as http:
        return await run_beside(http, path, *arguments)


async def run_beside(http: ScriptedHttp, path: str, *arguments: str) -> tuple[int | None, str]:
    async with ScriptedServer(with_demo_data) as server, asyncio.timeout(PATIENCE_SECONDS):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            *(argument.replace(URL, server.url).replace(HTTP_URL, http.url) for argument in arguments),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "PUSHASIDE_URL": server.url, "PUSHASIDE_HTTP_URL": http.url},
        )
        _, err = await process.communicate()
    return process.returncode, err.decode()


def rows(header: str, page: str = PAGE) -> list[list[str]]:
    """Give the cells of the table that has this header."""
    table = page.partition(f"| {header} |")[2].split("\n\n", 1)[0]
    return [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
async def test_the_programs_run(program: str) -> None:
    assert await run(program) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
async def test_the_commands_run(command: str) -> None:
    code, err = await run("import sys; from pushaside.cli import main; sys.exit(main())", *shlex.split(command))

    assert code == 0, err


def test_every_setting_is_described_with_its_default() -> None:
    described = {name: default for name, default, _ in rows("setting | default | meaning")}

    assert described == {each.name: str(each.default) for each in dataclasses.fields(Settings)}


def test_every_error_code_is_described_with_its_class() -> None:
    own = (UnreadableResultError, UnverifiedWebhookError, CannotConnectError, ConnectionClosedError)
    classes = {**CLASSES, **{kind.default_code: kind for kind in own}}
    described = {code: name for code, name, _ in rows("code | class | base class")}

    assert described == {code: kind.__name__ for code, kind in classes.items()}


def test_every_exit_code_is_described() -> None:
    described = dict(rows("exit code | meaning", PAGE_OF_COMMANDS))

    assert described == {str(code.value): meaning for code, meaning in MEANINGS.items()}
