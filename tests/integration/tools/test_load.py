"""`pushaside load`, run as it is, against a service that the test speaks for."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from pushaside.cli.exits import Exit
from pushaside.protocol.data_forms import make_etag
from tests.integration.client.scripted_server import Peer, Script, ScriptedServer
from tests.integration.client.test_command_line import Outcome, run

pytestmark = pytest.mark.slow


def answer(request: dict, **fields: Any) -> str:
    data = json.dumps({"seed": request["params"]["seed"], "text": "ab"})
    head = {"type": "result", "id": request["id"], "key": f"synthetic@1:{request['params']['seed']}"}
    text = json.dumps({**head, "etag": make_etag(data.encode()), "cache": "hit", "age_ms": 1, **fields})
    return f'{text[:-1]},"data":{data}}}'


class Service:
    """Answers each request at once; a test may have it do otherwise for the one of a number, counted from 0."""

    def __init__(self, **otherwise: Any) -> None:
        self.requests: list[dict] = []
        self.otherwise = otherwise.get("otherwise")
        self.number = otherwise.get("number", 2)

    async def script(self, peer: Peer) -> None:
        while (message := await peer.messages.get()) is not None:
            number = len(self.requests)
            self.requests.append(message)
            if self.otherwise is not None and number == self.number:
                await self.otherwise(peer, message)
            else:
                await peer.say_text(answer(message))


async def load(script: Script, *arguments: str) -> Outcome:
    async with ScriptedServer(script) as server:
        return await run("load", "--url", server.url, "--json", *arguments)


def document(outcome: Outcome) -> dict:
    assert outcome.err == ""
    [only] = outcome.documents
    return only


async def test_the_open_model_sends_at_its_rate_whatever_the_answers_do() -> None:
    service = Service()

    outcome = await load(service.script, "--rate", "100", "--duration", "0.5", "--connections", "3", "--processes", "2")

    told = document(outcome)
    assert outcome.code == Exit.OK
    assert (told["type"], told["model"], told["rate"]) == ("load", "open", 100.0)
    assert told["sent"] == told["results"] == len(service.requests) == 50
    assert told["connections"]["opened"] == 3
    assert 0 < told["latency_ms"]["p50"] <= told["latency_ms"]["p99"] <= told["latency_ms"]["max"]


async def test_waiting_for_a_slow_service_is_in_the_latency() -> None:
    """While the service stands still, all that is due meanwhile is late: no omission."""

    async def pause(peer: Peer, request: dict) -> None:
        await asyncio.sleep(0.4)
        await peer.say_text(answer(request))

    service = Service(otherwise=pause, number=0)

    told = document(await load(service.script, "--rate", "100", "--duration", "0.5", "--connections", "1"))

    assert told["results"] == 50
    assert told["latency_ms"]["max"] >= 390
    # It stood still for four fifths of the time: half of all requests waited at least so long.
    assert told["latency_ms"]["p50"] >= 100


async def test_the_closed_model_keeps_as_many_under_way_as_told() -> None:
    waiting: list[tuple[Peer, dict]] = []

    async def answer_by_four(peer: Peer) -> None:
        while (message := await peer.messages.get()) is not None:
            waiting.append((peer, message))
            assert len(waiting) <= 4
            if len(waiting) == 4:
                for other, request in waiting.copy():
                    await other.say_text(answer(request))
                waiting.clear()

    arguments = ("--concurrency", "4", "--connections", "2", "--duration", "0.3", "--deadline", "0.5")
    outcome = await load(answer_by_four, *arguments)

    told = document(outcome)
    assert told["model"] == "closed"
    assert told["results"] >= 4
    # At the end fewer than four may be left, which this service does not answer.
    assert told["sent"] - told["results"] == told["lost"] <= 3


async def test_requests_are_for_the_keys_by_their_frequency() -> None:
    service = Service()

    await load(service.script, "--rate", "400", "--duration", "0.5", "--keys", "5", "--skew", "1.5")

    counts = Counter(request["params"]["seed"] for request in service.requests)
    assert set(counts) <= set(range(5))
    assert counts.most_common(1)[0][0] == 0


async def test_cold_requests_are_each_for_a_new_key() -> None:
    service = Service()
    arguments = ("--cold", "--rate", "100", "--duration", "0.3", "--processes", "2", "--size", "50", "--work-ms", "3")

    told = document(await load(service.script, *arguments))

    assert len({request["params"]["seed"] for request in service.requests}) == told["results"] == 30
    assert {(each["params"]["size_bytes"], each["params"]["work_ms"]) for each in service.requests} == {(50, 3)}


async def test_the_template_is_filled_with_the_key() -> None:
    service = Service()
    arguments = ("--compute", "prices", "--params", '{"seed":{key},"name":"x{key}"}', "--keys", "3")

    outcome = await load(service.script, *arguments, "--rate", "50", "--duration", "0.2")

    assert outcome.code == Exit.OK
    assert all(each["compute"] == "prices" for each in service.requests)
    assert all(each["params"]["name"] == f"x{each['params']['seed']}" for each in service.requests)


async def twice(peer: Peer, request: dict) -> None:
    await peer.say_text(answer(request))
    await peer.say_text(answer(request))


async def never(peer: Peer, request: dict) -> None:
    del peer, request


async def of_another(peer: Peer, request: dict) -> None:
    await peer.say_text(answer({**request, "params": {"seed": request["params"]["seed"] + 1}}))


async def damaged(peer: Peer, request: dict) -> None:
    await peer.say_text(answer(request, etag="0" * 24))


async def cut(peer: Peer, request: dict) -> None:
    peer.cut()


@pytest.mark.parametrize(
    ("otherwise", "field"),
    [(twice, "doubled"), (never, "lost"), (of_another, "wrong"), (damaged, "wrong"), (cut, "lost")],
)
async def test_one_flaw_among_all_answers_is_found(otherwise: Any, field: str) -> None:
    service = Service(otherwise=otherwise)

    # Seldom enough that on a busy machine, too, the others are answered when the third is not.
    outcome = await load(service.script, "--rate", "10", "--duration", "0.4", "--deadline", "3", "--connections", "2")

    told = document(outcome)
    assert outcome.code == Exit.ERROR
    assert {name: told[name] for name in ("lost", "doubled", "wrong")} == {
        "lost": 0,
        "doubled": 0,
        "wrong": 0,
        field: 1,
    }


async def test_errors_of_the_service_are_counted_and_are_no_flaw() -> None:
    async def refuse(peer: Peer, request: dict) -> None:
        await peer.error(request, "rate_limited", retryable=True)

    outcome = await load(Service(otherwise=refuse).script, "--rate", "50", "--duration", "0.2")

    assert outcome.code == Exit.OK
    assert document(outcome)["errors"] == {"rate_limited": 1}


async def test_what_cannot_be_sent_for_want_of_a_connection_is_told() -> None:
    outcome = await load(
        Service(otherwise=cut).script, "--rate", "50", "--duration", "0.4", "--connections", "1", "--deadline", "0.5"
    )

    told = document(outcome)
    assert outcome.code == Exit.ERROR
    assert told["sent"] + told["unsent"] == 20
    assert (told["lost"] >= 1, told["connections"]["closed_early"]) == (True, 1)


async def test_connections_open_at_their_rate() -> None:
    opened: list[float] = []

    async def note(peer: Peer) -> None:
        opened.append(asyncio.get_running_loop().time())
        await Service().script(peer)

    await load(note, "--connections", "10", "--connect-rate", "25", "--rate", "10", "--duration", "0.2")

    assert len(opened) == 10
    assert opened[-1] - opened[0] >= 0.3


async def test_refused_connections_are_told_by_reason() -> None:
    async with ScriptedServer(Service().script) as server:
        server.refuse(429)
        outcome = await run("load", "--url", server.url, "--json", "--connections", "3", "--duration", "0.2")

    connections = document(outcome)["connections"]
    assert (connections["opened"], connections["refused"]) == (2, {"status 429": 1})


async def test_nobody_there_is_a_connection_error() -> None:
    async with ScriptedServer() as server:
        url = server.url
    outcome = await run("load", "--text", "--url", url, "--connections", "2", "--duration", "0.2")

    assert outcome.code == Exit.CONNECTION
    assert "2 of: connection refused" in outcome.out


async def test_the_token_is_shown_at_every_handshake() -> None:
    async with ScriptedServer(Service().script) as server:
        await run("load", "--url", server.url, "--connections", "2", "--duration", "0.1", PUSHASIDE_TOKEN="t0k")

        assert [each.headers["Authorization"] for each in server.handshakes] == ["Bearer t0k"] * 2


async def test_people_get_some_lines() -> None:
    async with ScriptedServer(Service().script) as server:
        outcome = await run("load", "--text", "--url", server.url, "--rate", "50", "--duration", "0.2")

    assert (outcome.code, outcome.err) == (Exit.OK, "")
    lines = outcome.out.splitlines()
    assert lines[0].startswith("10 results in ")
    assert lines[1].startswith("latency    p50 ")
    assert "errors 0 · lost 0 · doubled 0 · wrong 0" in lines


async def test_contradicting_options_are_a_usage_error() -> None:
    outcome = await run("load", "--cold", "--keys", "5")

    assert (outcome.code, outcome.out) == (Exit.USAGE, "")
    assert outcome.err == "pushaside: --cold requests only new keys, so --keys has no effect.\n"
