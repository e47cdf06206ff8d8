"""Each command ends with the same code for the same reason, and says why in one sentence."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from pushaside.cli.commands import OWN
from pushaside.cli.exits import Exit
from tests.integration.client.scripted_http import Answer, Asked, ScriptedHttp, json_answer
from tests.integration.client.scripted_server import Peer, ScriptedServer
from tests.integration.client.test_command_line import COMMAND, environment, free_url, run, start
from tests.integration.client.topic_server import Topics
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BY_SOCKET = {
    "request": ["request", "documents"],
    "publish": ["publish", "demo:news", "1"],
    "subscribe": ["subscribe", "demo:news"],
    "ping": ["ping"],
    "load": ["load", "--duration", "0.2", "--connections", "1"],
}
ALL = {
    **BY_SOCKET,
    "listen": ["listen", "--port", "0"],
    "token": ["token", "--secret-env", "SECRET", "--tenant", "acme"],
    "plan": ["plan", "--requests-per-second", "10"],
}
sockets = pytest.mark.parametrize("command", BY_SOCKET.values(), ids=BY_SOCKET)


def refusing(asked: Asked) -> Answer:
    del asked
    error = {"code": "unauthorized", "message": "The token is not valid.", "retryable": False}
    return json_answer({"type": "error", "error": error}, 401)


@sockets
async def test_no_service_there(command: list[str]) -> None:
    outcome = await run(*command, "--url", free_url())

    assert outcome.code == Exit.CONNECTION
    assert "Traceback" not in outcome.err


async def test_no_service_there_for_those_that_ask_by_http() -> None:
    url = free_url().replace("ws:", "http:").removesuffix("v1")
    listen, poll = await asyncio.gather(
        run("listen", "--port", "0", "--url", url),
        run("request", "documents", "--poll", "--http-url", url, "--deadline", "1"),
    )

    assert listen.code == Exit.CONNECTION
    assert poll.code in {Exit.CONNECTION, Exit.TIMEOUT}
    assert len(listen.err.splitlines()) == len(poll.err.splitlines()) == 1


@pytest.mark.parametrize("status", [401, 403])
@sockets
async def test_a_refused_token(command: list[str], status: int) -> None:
    async with ScriptedServer() as server:
        server.refuse(status)
        outcome = await run(*command, "--url", server.url)

    assert outcome.code == Exit.ERROR
    assert "Traceback" not in outcome.err


async def test_a_token_that_is_refused_by_http() -> None:
    with ScriptedHttp(script=refusing) as http:
        listen = await run("listen", "--port", "0", "--url", http.url)
        poll = await run("request", "documents", "--poll", "--http-url", http.url)

    assert (listen.code, poll.code) == (Exit.ERROR, Exit.ERROR)
    assert listen.err == poll.err == "pushaside: The service answered with status 401. (unauthorized)\n"


@sockets
async def test_ctrl_c(command: list[str]) -> None:
    asked = asyncio.Event()

    async def hear(peer: Peer) -> None:
        while await peer.messages.get() is not None:
            asked.set()

    more = ["--duration", "20"] if command[0] == "load" else []
    async with ScriptedServer(hear) as server:
        process = await start(*command, *more, "--url", server.url)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asked.wait()
            process.send_signal(signal.SIGINT)
            out, err = await process.communicate()

    assert (process.returncode, out, err) == (Exit.INTERRUPTED, b"", b"")


async def test_ctrl_c_while_listening() -> None:
    process = await start("listen", "--port", "0", "--secret", SECRET, "--text")
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await process.stdout.readline()).startswith(b"ready: ")
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()

    assert (process.returncode, out, err) == (Exit.INTERRUPTED, b"", b"")


INTERRUPTS_ITSELF = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)"
ENTRY = [sys.executable, "-c", "import sys; from pushaside_command import main; sys.exit(main())"]


async def test_ctrl_c_while_the_command_is_still_imported(tmp_path: Path) -> None:
    (tmp_path / "pushaside").mkdir()
    (tmp_path / "pushaside" / "__init__.py").write_text(INTERRUPTS_ITSELF)
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    process = await asyncio.create_subprocess_exec(
        *ENTRY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(PYTHONPATH=path)
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate()

    assert (process.returncode, out, err) == (Exit.INTERRUPTED, b"", b"")


async def test_ctrl_c_as_soon_as_the_command_runs(tmp_path: Path) -> None:
    package = tmp_path / "pushaside" / "cli"
    package.mkdir(parents=True)
    (tmp_path / "pushaside" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "main.py").write_text(f"def main():\n    {INTERRUPTS_ITSELF}")
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    process = await asyncio.create_subprocess_exec(
        *ENTRY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(PYTHONPATH=path)
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate()

    assert (process.returncode, out, err) == (Exit.INTERRUPTED, b"", b"")


@pytest.mark.parametrize("form", ["--json", "--text"])
async def test_a_pipe_that_nobody_reads_any_more(form: str) -> None:
    topics = Topics()
    for each in range(3):
        await topics.publish("demo:news", each)
    commands = {
        "request": ["request", "documents"],
        "subscribe": ["subscribe", "demo:news", "--since", "e1:0", form],
        "publish": ["publish", "demo:news", "1"],
        "ping": ["ping", form],
        "load": [*BY_SOCKET["load"], "--rate", "10", form],
        "plan": [*ALL["plan"], form],
        "token": ALL["token"],
        "help": ["--help"],
    }
    del commands["request"], commands["load"]  # this service has no results
    async with ScriptedServer(topics.answer) as server:
        codes = {name: await _into_closed_pipe(server.url, command) for name, command in commands.items()}

    assert codes == dict.fromkeys(commands, (Exit.OK, ""))


async def _into_closed_pipe(url: str, command: list[str]) -> tuple[int | None, str]:
    reading, writing = os.pipe()
    os.close(reading)
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *command,
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
        env=environment(PUSHASIDE_URL=url, SECRET="x" * 32),
    )
    os.close(writing)
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, err = await process.communicate()
    said = [
        line for line in err.decode().splitlines() if not re.match(r"(published|pushaside: subscribed|4 pings)", line)
    ]
    return process.returncode, "\n".join(said)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["plan"], "There is no load"),
        (["plan", "--requests-per-second", "-1"], "must be 0 or more"),
        (["plan", "--requests-per-second", "many"], "'many' is not a number"),
        (["plan", "--connections", "1.5"], "must be a whole number"),
        (["plan", "--connections", "5", "--hit-ratio", "2"], "must be 0 or more, and 1 at most"),
        (["plan", "--connections", "5", "--hours-per-day", "0"], "must be more than 0, and 24 at most"),
        (["plan", "--connections", "5", "--json", "--text"], "not allowed with"),
        (["subscribe", "demo:news", "--patches"], "--patches needs a live result"),
        (["completion", "basic"], "invalid choice: 'basic'"),
        (["token", "--secret-env", "NOT_SET", "--tenant", "acme"], "NOT_SET is not set"),
        (["load", "--cold", "--keys", "5"], "--cold requests only new keys"),
    ],
)
async def test_wrong_usage(arguments: list[str], sentence: str) -> None:
    outcome = await run(*arguments)

    assert (outcome.code, outcome.out) == (Exit.USAGE, "")
    assert sentence in outcome.err
    assert len(outcome.err.splitlines()) == 1


async def test_in_a_pipe_a_plan_is_a_document() -> None:
    outcome = await run("plan", "--requests-per-second", "10000")
    (document,) = outcome.documents

    assert (document["type"], document["messages_per_second"]) == ("plan", 10_500)
    assert outcome.err == ""


@pytest.mark.parametrize("command", [*OWN, "local", "redrive"])
async def test_help_of_each_command_has_examples_and_exit_codes(command: str) -> None:
    program = str(Path(sys.executable).with_name("pushaside"))
    process = await asyncio.create_subprocess_exec(
        program, command, "--help", stdout=asyncio.subprocess.PIPE, env={**os.environ, "COLUMNS": "100"}
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, _ = await process.communicate()
    text = out.decode()

    assert process.returncode == 0
    assert f"    $ pushaside {command}" in text
    assert "exit codes:\n  0    done" in text
    examples = text.partition("examples:")[0]
    assert max(len(line) for line in examples.splitlines()) <= 100
