"""Requests through the whole stack, as clients see them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import uuid
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

import pushaside
from tests.e2e.conftest import COMMAND, Stack
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

AIRPORTS = {
    "collection": "airports",
    "ids": ["TX", "CA"],
    "query": "[?contains(name, `International`)].{iata: iata, name: name}",
}


async def ask(socket: ClientConnection, message: object) -> dict[str, Any]:
    """Send a message and return the next frame."""
    await socket.send(message if isinstance(message, str) else json.dumps(message))
    return await receive(socket)


async def receive(socket: ClientConnection, seconds: float = 30.0) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        frame: dict[str, Any] = json.loads(await socket.recv())
    return frame


async def outcome(socket: ClientConnection, seconds: float = 30.0) -> dict[str, Any]:
    """Return the next frame that is not `accepted`."""
    frame = await receive(socket, seconds)
    return frame if frame["type"] != "accepted" else await outcome(socket, seconds)


def synthetic(**params: object) -> dict[str, object]:
    """A request that no other test shares a key with."""
    params = {"size_bytes": 100, "seed": uuid.uuid4().int % 1_000_000_000, **params}
    return {"action": "request", "id": uuid.uuid4().hex, "compute": "synthetic", "params": params}


def run_command(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, *arguments, "--url", stack.websocket]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def test_the_command_prints_airports_that_were_a_miss_and_then_a_hit(stack: Stack) -> None:
    answers = []
    for _ in range(2):
        done = run_command(stack, "request", "documents", "--params", json.dumps(AIRPORTS), "--json")
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))

    assert [answer["cache"] for answer in answers] == ["miss", "hit"]
    assert {"iata": "DFW", "name": "Dallas-Fort Worth International"} in answers[0]["data"]
    assert {"iata": "LAX", "name": "Los Angeles International"} in answers[0]["data"]
    assert answers[0]["data"] == answers[1]["data"]


async def test_a_miss_is_accepted_and_its_result_pushed(stack: Stack) -> None:
    request = synthetic(work_ms=300)
    async with connect(stack.websocket) as socket:
        frames = [await ask(socket, request), await receive(socket)]

    assert [frame["type"] for frame in frames] == ["accepted", "result"]
    assert {frame["id"] for frame in frames} == {request["id"]}
    assert frames[1]["cache"] == "miss"


async def test_a_hit_is_one_frame(stack: Stack) -> None:
    request = synthetic()
    async with connect(stack.websocket) as socket:
        await socket.send(json.dumps(request))
        first = await outcome(socket)
        second = await ask(socket, {**request, "id": "again"})

    assert second == {**first, "id": "again", "cache": "hit", "age_ms": second["age_ms"]}


async def test_a_year_of_temperatures_is_read_from_documents_over_100_kilobytes(stack: Stack) -> None:
    params = {"collection": "temperatures", "query": "[].length(days[].fahrenheit[])"}
    async with pushaside.connect(stack.websocket) as client:
        result = await client.request("documents", params)

    assert result.data == [8759, 8759]


async def test_a_thousand_callers_of_one_cold_key_cost_one_compute(stack: Stack) -> None:
    request = synthetic(work_ms=1000)
    before = stack.stats()["computes"].get("synthetic", 0)
    sockets = await asyncio.gather(*(connect(stack.websocket) for _ in range(50)))
    try:
        ids = [f"{socket_number}-{number}" for socket_number in range(50) for number in range(20)]
        for number, request_id in enumerate(ids):
            await sockets[number // 20].send(json.dumps({**request, "id": request_id}))
        frames = [await outcome(socket) for socket in sockets for _ in range(20)]
    finally:
        await asyncio.gather(*(socket.close() for socket in sockets))

    assert Counter(frame["id"] for frame in frames) == Counter(ids)
    assert {frame["type"] for frame in frames} == {"result"}
    assert len({frame["etag"] for frame in frames}) == 1
    assert await computes_after(stack, before) == before + 1


async def computes_after(stack: Stack, before: int) -> int:
    """Read the count once it has moved: the metrics of an invocation are printed after its pushes."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while stack.stats()["computes"].get("synthetic", 0) == before:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    return int(stack.stats()["computes"]["synthetic"])


async def test_every_caller_gets_its_result_though_all_workers_are_killed_in_mid_compute(stack: Stack) -> None:
    requests = [synthetic(work_ms=1500) for _ in range(20)]
    async with connect(stack.websocket) as socket:
        for request in requests:
            await socket.send(json.dumps(request))
        for _ in requests:
            assert (await receive(socket))["type"] == "accepted"
        await asyncio.sleep(0.5)
        for worker in stack.stats()["processes"]["workers"]:
            os.kill(worker["pid"], signal.SIGKILL)
        frames = [await outcome(socket, 10.0) for _ in requests]

    assert Counter(frame["id"] for frame in frames) == Counter(request["id"] for request in requests)
    assert {frame["type"] for frame in frames} == {"result"}


@pytest.mark.parametrize(
    ("fail", "code"), [("always", "compute_failed"), ("crash", "compute_failed")], ids=["always", "crash"]
)
async def test_a_compute_that_fails_for_good_ends_as_an_error(stack: Stack, fail: str, code: str) -> None:
    request = synthetic(fail=fail)
    async with connect(stack.websocket) as socket:
        await socket.send(json.dumps(request))
        frame = await outcome(socket)

    assert (frame["type"], frame["id"], frame["error"]["code"]) == ("error", request["id"], code)


async def test_a_compute_that_fails_once_is_tried_again(stack: Stack) -> None:
    async with connect(stack.websocket) as socket:
        await socket.send(json.dumps(synthetic(fail="once")))
        frame = await outcome(socket)

    assert frame["type"] == "result"


async def test_a_deadline_that_passes_in_mid_compute_ends_as_timeout_on_time(stack: Stack) -> None:
    async with connect(stack.websocket) as socket:
        await socket.send(json.dumps({**synthetic(work_ms=5000), "deadline_ms": 500}))
        frame = await outcome(socket, 3.0)

    assert frame["error"]["code"] == "timeout"


async def test_a_crash_does_not_take_the_rest_of_its_batch_with_it(stack: Stack) -> None:
    good = [synthetic(work_ms=200) for _ in range(8)]
    deadly = synthetic(fail="crash", work_ms=50)
    async with connect(stack.websocket) as socket:
        for request in (*good[:4], deadly, *good[4:]):
            await socket.send(json.dumps(request))
        frames = {frame["id"]: frame for frame in [await outcome(socket, 40.0) for _ in range(9)]}

    assert {frames[str(request["id"])]["type"] for request in good} == {"result"}
    assert frames[str(deadly["id"])]["error"]["code"] == "compute_failed"


NESTED = "[" * 5_000 + "]" * 5_000


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("not json", "invalid_json"),
        (f'{{"action":"request","id":"1","compute":{NESTED}}}', "invalid_json"),
        (f'{{"action":"request","id":"1","compute":"documents","params":{NESTED}}}', "invalid_json"),
        ("[1]", "invalid_message"),
        ('"text"', "invalid_message"),
        ({"id": "1"}, "invalid_message"),
        ({"action": "dance", "id": "1"}, "unknown_action"),
        ({"action": "request", "id": "1", "compute": "nothing"}, "unknown_compute"),
        ({"action": "request", "id": "1", "compute": "documents", "params": {"collection": 7}}, "invalid_params"),
        ({"action": "request", "id": "1", "compute": "documents", "params": {"ids": "TX"}}, "invalid_params"),
        ({"action": "request", "id": "x" * 129, "compute": "documents"}, "invalid_message"),
        ({"action": "request", "id": 7, "compute": "documents"}, "invalid_message"),
        ({"action": "request", "id": "1", "compute": "documents", "deadline_ms": -1}, "invalid_message"),
        ({"action": "request", "id": "1", "compute": "documents", "max_age": -1}, "invalid_message"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_bad_input_gets_its_code_and_the_connection_goes_on(stack: Stack, message: object, code: str) -> None:
    async with connect(stack.websocket) as socket:
        text = message if isinstance(message, str) else json.dumps(message)
        pieces = [text[start : start + 30_000] for start in range(0, len(text), 30_000)]
        await socket.send(pieces if len(pieces) > 1 else text)
        refused = await receive(socket)
        alive = await ask(socket, {"action": "ping"})

    assert (refused["type"], refused["error"]["code"]) == ("error", code)
    assert refused["error"]["message"]
    assert alive == {"type": "pong"}


@pytest.mark.parametrize(
    ("message", "code"),
    [(["x" * 32_768] * 4 + ["y"], 1009), ("x" * 32_769, 1009), (b"binary", 1003)],
    ids=["message over 128 KB", "frame over 32 KB", "binary"],
)
async def test_what_the_gateway_does_not_carry_closes_the_connection(stack: Stack, message: Any, code: int) -> None:
    async with connect(stack.websocket) as socket:
        with suppress(ConnectionClosed):  # the close may arrive before the last frame is sent
            await socket.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            await receive(socket)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


async def test_hello_is_answered_with_the_session_and_the_limits(stack: Stack) -> None:
    async with connect(stack.websocket) as socket:
        frame = await ask(socket, {"action": "hello", "id": "h", "session": "mine"})

    assert (frame["type"], frame["id"], frame["session"]) == ("welcome", "h", "mine")
    assert frame["limits"] == {"frame_bytes": 32768, "message_bytes": 131072}
    assert 0 < frame["reconnect_after_seconds"] < 7200


async def test_the_leaderboard_of_the_demo_can_be_asked(stack: Stack) -> None:
    async with pushaside.connect(stack.websocket) as client:
        result = await client.request("leaderboard", {"board": "demo", "top": 3})

    assert result.data


async def test_five_hundred_requests_share_one_socket(stack: Stack) -> None:
    async with pushaside.connect(stack.websocket) as client:
        results = await asyncio.gather(
            *(client.request("synthetic", {"size_bytes": 50, "seed": seed % 50}) for seed in range(500))
        )

    assert len(results) == 500
    assert len({result.etag for result in results}) == 50
