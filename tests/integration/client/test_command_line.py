"""The command `pushaside`, run as it is, against a service that the test speaks for."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pushaside.cli.exits import MEANINGS, Exit
from tests.integration.client.scripted_http import Answer, ScriptedHttp, json_answer, problem
from tests.integration.client.scripted_server import Peer, Script, ScriptedServer, answering
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

CLIENT = Path(__file__).parents[3] / "clients" / "python"
COMMAND = [sys.executable, "-c", "import sys; from pushaside.cli import main; sys.exit(main())"]
TIMEOUT_SECONDS = PATIENCE_SECONDS
AIRPORTS = [{"iata": "DFW", "name": "Dallas [Fort Worth]"}, {"iata": "IAH", "name": "Houston"}]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PUSHASIDE_")}
    return {**kept, "PYTHONPATH": str(CLIENT), "PYTHONWARNINGS": "error", **more}


async def start(*arguments: str, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**variables),
    )


async def run(*arguments: str, **variables: str) -> Outcome:
    process = await start(*arguments, **variables)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())


async def run_against(script: Script, *arguments: str) -> Outcome:
    async with ScriptedServer(script) as server:
        return await run(*arguments, "--url", server.url)


async def with_airports(peer: Peer) -> None:
    while (request := await peer.messages.get()) is not None:
        await peer.result(request, data=AIRPORTS, cache="hit", age_ms=75_000)


def failing(code: str, **fields: object) -> Script:
    async def script(peer: Peer) -> None:
        while (request := await peer.messages.get()) is not None:
            await peer.error(request, code, **fields)

    return script


async def silent(peer: Peer) -> None:
    while await peer.messages.get() is not None:
        pass


def free_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"ws://127.0.0.1:{listener.getsockname()[1]}/v1"


# request


async def test_a_request_prints_its_data_and_says_where_it_came_from() -> None:
    outcome = await run_against(with_airports, "request", "documents", "--params", '{"ids":["TX"]}')

    assert outcome.code == Exit.OK
    assert json.loads(outcome.out) == AIRPORTS
    first, *others = outcome.err.splitlines()
    assert first.startswith("hit · ")
    assert first.endswith(" · 75 s old · documents@1:ab12cd34… · etag 5f2a")
    assert others == []


async def test_a_request_as_json_is_the_wires_fields_and_the_time_it_took() -> None:
    outcome = await run_against(with_airports, "request", "documents", "--json")
    (document,) = outcome.documents

    assert (outcome.code, outcome.err) == (Exit.OK, "")
    assert list(document) == ["type", "id", "key", "etag", "cache", "age_ms", "data", "elapsed_ms"]
    assert (document["type"], document["cache"], document["age_ms"]) == ("result", "hit", 75_000)
    assert document["data"] == AIRPORTS
    assert document["elapsed_ms"] > 0


async def test_an_explained_request_names_the_tags_of_its_result() -> None:
    told = Answer(200, b"[]", {"Pushaside-Tags": '["rates", "prices"]'})
    with ScriptedHttp(told, told) as service:
        asked = ("request", "documents", "--explain", "--http-url", service.url)
        outcome = await run_against(with_airports, *asked)
        as_json = await run_against(with_airports, *asked, "--json")

    assert outcome.code == Exit.OK
    assert json.loads(outcome.out) == AIRPORTS
    assert outcome.err.splitlines()[1:] == ["depends on", "  rates", "  prices"]
    assert as_json.documents[0]["tags"] == ["rates", "prices"]


async def test_a_result_without_tags_depends_on_no_source() -> None:
    with ScriptedHttp(Answer(200, b"[]", {"Pushaside-Tags": "[]"})) as service:
        outcome = await run_against(with_airports, "request", "documents", "--explain", "--http-url", service.url)
    assert outcome.err.splitlines()[1:] == ["depends on no source"]


async def test_a_service_that_tells_no_tags_is_said_to_explain_nothing() -> None:
    with ScriptedHttp(Answer(200, b"[]")) as service:
        outcome = await run_against(with_airports, "request", "documents", "--explain", "--http-url", service.url)
    assert (outcome.code, outcome.out) == (Exit.ERROR, "")
    assert "ExplainResults" in outcome.err


async def test_what_is_given_is_what_is_asked() -> None:
    async with ScriptedServer() as server:
        process = await start(
            "request",
            "leaderboard",
            "--params",
            '{"board":"b"}',
            "--deadline",
            "7",
            "--max-age",
            "0",
            PUSHASIDE_URL=server.url,
            PUSHASIDE_TOKEN="t1",
        )
        peer = await server.accept()
        request = await peer.receive()
        await peer.result(request)
        assert await process.wait() == Exit.OK
        await process.communicate()

    assert (request["compute"], request["params"]) == ("leaderboard", {"board": "b"})
    assert (request["deadline_ms"], request["max_age"]) == (7000, 0)
    assert server.handshakes[0].headers["Authorization"] == "Bearer t1"


async def test_params_come_from_a_file_or_from_standard_input_too(tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text('{"board": "b"}')
    asked = []

    async def script(peer: Peer) -> None:
        while (request := await peer.messages.get()) is not None:
            asked.append(request["params"])
            await peer.result(request)

    async with ScriptedServer(script) as server:
        request = ["request", "documents", "--url", server.url, "--params"]
        await run(*request, f"@{tmp_path / 'params.json'}")
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *request, "-", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, env=environment()
        )
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await process.communicate(b'{"board": "c"}\n')

    assert asked == [{"board": "b"}, {"board": "c"}]


@pytest.mark.parametrize("status", [200, 403, 404])
async def test_a_url_without_a_stage_is_told_to_lack_it(status: int) -> None:
    async with ScriptedServer() as server:
        server.refuse(status)
        outcome = await run("ping", "--url", server.url.removesuffix("/v1"))

    assert "The URL probably lacks its stage, such as /v1 at its end." in outcome.err


async def test_an_error_of_the_service_is_a_sentence() -> None:
    outcome = await run_against(failing("unknown_compute"), "request", "nothing")

    assert outcome == Outcome(Exit.ERROR, "", "pushaside: It is unknown_compute. (unknown_compute)\n")


async def test_an_error_of_the_service_as_json_is_a_document() -> None:
    outcome = await run_against(
        failing("rate_limited", retryable=True, retry_after_ms=60_000), "request", "documents", "--json"
    )
    (document,) = outcome.documents

    assert (outcome.code, outcome.err) == (Exit.ERROR, "")
    assert document == {
        "type": "error",
        "error": {
            "code": "rate_limited",
            "message": "It is rate_limited.",
            "retryable": True,
            "retry_after_ms": 60_000,
        },
    }


@pytest.mark.parametrize("command", [["request", "documents"], ["ping"]])
async def test_no_answer_in_time_has_an_exit_code_of_its_own(command: list[str]) -> None:
    outcome = await run_against(silent, *command, "--deadline", "0.5", "--json")

    assert outcome.code == Exit.TIMEOUT
    assert outcome.documents[0]["error"]["code"] == "timeout"


@pytest.mark.parametrize("command", [["request", "documents"], ["ping"]])
async def test_no_service_has_an_exit_code_of_its_own(command: list[str]) -> None:
    url = free_url()
    human, machine = await asyncio.gather(run(*command, "--url", url), run(*command, "--url", url, "--json"))

    assert (human.code, human.out) == (Exit.CONNECTION, "")
    assert human.err.startswith("pushaside: Nothing answers at 127.0.0.1:")
    assert machine.code == Exit.CONNECTION
    assert machine.documents[0]["error"]["code"] == "unreachable"


async def test_a_refused_token_is_an_error_of_the_service() -> None:
    async with ScriptedServer() as server:
        server.refuse(401)
        outcome = await run("request", "documents", "--url", server.url, "--json")

    assert outcome.code == Exit.ERROR
    assert outcome.documents[0]["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["request", "documents", "--params", "{"], "--params: not JSON: "),
        (["request", "documents", "--params", "[]"], "--params: must be a JSON object"),
        (["request", "documents", "--deadline", "0"], "--deadline: must be more than 0 seconds"),
        (["request", "documents", "--deadline", "soon"], "'soon' is not a number of seconds"),
        (["request", "documents", "--max-age", "-1"], "--max-age: must be 0 seconds or more"),
        (["request", "documents", "--url", "http://127.0.0.1/"], "is not a WebSocket URL"),
        (["request"], "required: COMPUTE"),
        (["ping", "--count", "0"], "--count: must be a whole number, 1 or more"),
        (["fetch"], "There is no command fetch. See"),
        (["requst", "documents"], "There is no command requst. Did you mean request?"),
        (["request", "--parms", "{}", "documents"], "There is no option --parms. Did you mean --params?"),
        (["--parms", "{}", "documents"], "There is no option --parms. See"),
        (["request", "documents", "--params", "@/not/there"], "/not/there cannot be read: no such file or directory"),
        ([], "required: COMMAND"),
    ],
)
async def test_wrong_usage_is_one_sentence(arguments: list[str], sentence: str) -> None:
    outcome = await run(*arguments)

    assert (outcome.code, outcome.out) == (Exit.USAGE, "")
    assert sentence in outcome.err
    assert len(outcome.err.splitlines()) == 1


async def test_ctrl_c_ends_it_quietly() -> None:
    async with ScriptedServer() as server:
        process = await start("request", "documents", "--url", server.url)
        await (await server.accept()).receive()
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            out, err = await process.communicate()

    assert (process.returncode, out, err) == (Exit.INTERRUPTED, b"", b"")


async def test_output_that_nobody_reads_any_more_is_no_error() -> None:
    async with ScriptedServer(with_airports) as server:
        reading, writing = os.pipe()
        os.close(reading)
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "request",
            "documents",
            "--json",
            "--url",
            server.url,
            stdout=writing,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
        )
        os.close(writing)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            _, err = await process.communicate()

    assert (process.returncode, err) == (Exit.OK, b"")


async def test_on_a_terminal_flat_objects_are_a_table() -> None:
    async with ScriptedServer(with_airports) as server:
        screen, terminal = os.openpty()
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "request",
            "documents",
            "--url",
            server.url,
            stdout=terminal,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(TERM="dumb", COLUMNS="80"),
        )
        os.close(terminal)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert await process.wait() == Exit.OK
    shown = os.read(screen, 65_536).decode().splitlines()
    os.close(screen)

    assert [line.rstrip().split(maxsplit=1) for line in shown] == [
        ["iata", "name"],
        ["DFW", "Dallas [Fort Worth]"],
        ["IAH", "Houston"],
    ]


# ping


async def test_pings_are_counted_and_summed_up() -> None:
    outcome = await run_against(answering, "ping", "--text", "--count", "3")

    assert outcome.code == Exit.OK
    assert [line.split(" · ")[0] for line in outcome.out.splitlines()] == ["pong"] * 3
    assert outcome.err.startswith("3 pings · min ")


async def test_pings_as_json_are_a_document_each() -> None:
    outcome = await run_against(answering, "ping", "--count", "2", "--json")

    assert (outcome.code, outcome.err) == (Exit.OK, "")
    assert [set(document) for document in outcome.documents] == [{"type", "elapsed_ms"}] * 2
    assert all(document["elapsed_ms"] > 0 for document in outcome.documents)


# help


async def test_help_lists_all_commands_and_explains_the_exit_codes() -> None:
    outcome = await run("--help")

    assert outcome.code == Exit.OK
    for name in ("request", "ping"):
        assert f"\n    {name} " in outcome.out
    for code, meaning in MEANINGS.items():
        assert f"{code.value:<4} {meaning}" in outcome.out


@pytest.mark.parametrize("command", ["request", "ping"])
async def test_each_command_explains_itself(command: str) -> None:
    outcome = await run(command, "--help")

    assert outcome.code == Exit.OK
    assert "exit codes:" in outcome.out
    assert "--url URL" in outcome.out


async def test_the_version_is_that_of_the_distribution() -> None:
    outcome = await run("--version")

    assert outcome.out == "pushaside 0.1.0\n"


# Commands of other distributions

PLUGIN = """
import sys
def add_parser(subparsers):
    parser = subparsers.add_parser("greet")
    parser.add_argument("name")
    parser.set_defaults(run=run)
def run(arguments):
    print("hello", arguments.name)
    return 7
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A folder with an installed distribution that brings two commands, one of them broken."""
    metadata = tmp_path / "greeter-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\nSummary: Greets people\n")
    (metadata / "entry_points.txt").write_text(
        "[pushaside.commands]\ngreet = greeter:add_parser\nbroken = not_there:add_parser\n"
    )
    (tmp_path / "greeter.py").write_text(PLUGIN)
    return tmp_path


def with_plugins(plugins: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join([str(CLIENT), str(plugins)])}


async def test_another_distribution_can_bring_a_command(plugins: Path) -> None:
    outcome = await run("greet", "Ada", **with_plugins(plugins))

    assert outcome == Outcome(7, "hello Ada\n", "")


async def test_help_names_the_commands_of_others_without_importing_them(plugins: Path) -> None:
    (plugins / "greeter.py").write_text("raise SystemExit('imported')")
    outcome = await run("--help", **with_plugins(plugins))

    assert outcome.code == Exit.OK
    assert re.search(r"^ +greet +greets people$", outcome.out, re.MULTILINE)


async def test_a_command_of_another_version_is_one_sentence_that_says_what_to_install(plugins: Path) -> None:
    metadata = plugins / "pushaside_tools-9.9.9.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pushaside-tools\nVersion: 9.9.9\n")
    (metadata / "entry_points.txt").write_text("[pushaside.commands]\nload = not_there:add_parser\n")

    outcome = await run("load", "--help", **with_plugins(plugins))

    assert (outcome.code, outcome.out) == (Exit.USAGE, "")
    assert "pushaside-tools is version 9.9.9, but they need the same version" in outcome.err
    assert "`pip install --upgrade pushaside pushaside-tools`" in outcome.err
    assert len(outcome.err.splitlines()) == 1


async def test_a_command_that_cannot_be_imported_is_one_sentence(plugins: Path) -> None:
    outcome = await run("broken", **with_plugins(plugins))

    assert (outcome.code, outcome.out) == (Exit.USAGE, "")
    assert outcome.err == "pushaside: The command 'broken' cannot be loaded: No module named 'not_there'.\n"


@pytest.mark.parametrize(
    ("command", "distribution"),
    [("load", "pushaside-tools"), ("plan", "pushaside-tools"), ("local", "pushaside-service")],
)
async def test_a_command_whose_distribution_is_missing_says_what_to_install(command: str, distribution: str) -> None:
    script = f"""
import importlib.metadata, sys
importlib.metadata.entry_points = lambda **_: []
from pushaside.cli import main
sys.exit(main([{command!r}, "--help"]))
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    async with asyncio.timeout(TIMEOUT_SECONDS):
        out, err = await process.communicate()

    assert (process.returncode, out) == (Exit.USAGE, b"")
    assert err.decode().startswith(f"pushaside: `pushaside {command}` needs {distribution}; ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["ping", "--help"], ["request", "--help"], ["--help"]])
async def test_nothing_is_imported_that_is_not_used(arguments: list[str], plugins: Path) -> None:
    script = f"""
import sys
from pushaside.cli import main
try:
    main({arguments!r})
except SystemExit:
    pass
unused = {{"rich", "local", "greeter", "uvloop", "boto3", "httpx", "h11", "rfc8785"}}
print("IMPORTED", sorted(unused & {{name.partition('.')[0] for name in sys.modules}}))
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        stdout=asyncio.subprocess.PIPE,
        env=environment(**with_plugins(plugins)),
    )
    async with asyncio.timeout(TIMEOUT_SECONDS):
        out, _ = await process.communicate()

    assert out.decode().splitlines()[-1] == "IMPORTED []"


LISTED = {
    "name": "orders",
    "version": 2,
    "doc": "Orders of a customer.",
    "scope": "principal",
    "params": {"properties": {"customer": {"type": "string"}, "status": {"enum": ["open", "sent"], "default": "open"}}},
    "ttl_seconds": 300.0,
    "stale_ttl_seconds": 60.0,
}


async def test_computes_are_listed_for_people_and_for_programs() -> None:
    with ScriptedHttp(json_answer({"computes": [LISTED]})) as service:
        listed = await run("computes", "--http-url", service.url)
        document = await run("computes", "--http-url", service.url, "--json")
    assert (listed.code, document.code) == (0, 0)
    assert listed.out.splitlines() == [
        'orders(customer: string, status: "open" | "sent" = "open")',
        "  Orders of a customer.",
        "  version 2 · scope principal · fresh for 300 s, stale for 60 s",
    ]
    assert document.documents == [{"computes": [LISTED]}]


async def test_computes_of_a_service_that_is_not_there_are_an_error_of_the_connection() -> None:
    outcome = await run("computes", "--http-url", "http://127.0.0.1:1/", "--json", "--deadline", "5")
    assert outcome.code == Exit.CONNECTION
    assert outcome.documents[0]["type"] == "error"


CHANGE_ACCEPTED = json_answer({"status": "accepted"}, 202)


async def test_changed_tags_are_told_and_nothing_is_on_standard_output() -> None:
    with ScriptedHttp(CHANGE_ACCEPTED) as service:
        outcome = await run("changed", "rates", "invoices/ann", "--http-url", service.url)
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.startswith("accepted · ")
    assert outcome.err.endswith(" · rates invoices/ann\n")
    assert service.asked[0].document == {"tags": ["rates", "invoices/ann"], "scope": "tenant"}


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (["--tenant", "acme"], {"scope": "tenant", "tenant": "acme"}),
        (["--shared"], {"scope": "shared"}),
        (["--all-tenants"], {"scope": "all"}),
    ],
)
async def test_an_option_says_whose_results_change(option: list[str], told: dict[str, str]) -> None:
    with ScriptedHttp(CHANGE_ACCEPTED) as service:
        outcome = await run("changed", "rates", *option, "--http-url", service.url, "--json")
    assert service.asked[0].document == {"tags": ["rates"], **told}
    (document,) = outcome.documents
    assert document.pop("elapsed_ms") > 0
    assert document == {"type": "changed", "tags": ["rates"], "scope": told["scope"]}


async def test_a_change_that_is_not_permitted_is_an_error_of_the_service() -> None:
    with ScriptedHttp(problem(403, "forbidden")) as service:
        outcome = await run("changed", "rates", "--http-url", service.url, "--json")
    assert outcome.code == Exit.ERROR
    assert outcome.documents[0]["error"]["code"] == "forbidden"


@pytest.mark.parametrize("arguments", [[], ["rates", "--tenant", "a/b"], ["rates", "--shared", "--all-tenants"]])
async def test_a_change_is_of_some_tags_in_one_scope(arguments: list[str]) -> None:
    outcome = await run("changed", *arguments)
    assert outcome.code == Exit.USAGE
    assert outcome.err.startswith("pushaside changed: ")
