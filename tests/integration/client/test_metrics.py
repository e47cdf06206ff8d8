"""The hooks for metrics, and when they are called."""

from __future__ import annotations

import asyncio
import logging

import pytest

import pushaside
from pushaside import Metrics
from tests.integration.client.scripted_server import ScriptedServer, answering
from tests.integration.client.topic_server import Topics


def no_wait() -> float:
    return 0.0


class Counted(Metrics):
    """Keeps what it is told, without the seconds."""

    def __init__(self) -> None:
        self.told: list[tuple] = []
        self.seconds: list[float] = []

    def connected(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.told.append(("connected",))

    def disconnected(self, code: int | None, why: str) -> None:
        self.told.append(("disconnected", code, why))

    def request_done(self, compute: str, outcome: str, cache: str | None, seconds: float) -> None:
        self.seconds.append(seconds)
        self.told.append(("request_done", compute, outcome, cache))

    def update_taken(self, topic: str, waiting: int) -> None:
        self.told.append(("update_taken", topic, waiting))

    def asked_again(self, compute: str, attempt: int) -> None:
        self.told.append(("asked_again", compute, attempt))


async def test_connections_and_results_are_told() -> None:
    metrics = Counted()
    async with ScriptedServer(answering) as server, pushaside.connect(server.url, metrics=metrics) as client:
        await client.request("documents")
        await client.ping()

    assert metrics.told == [("connected",), ("request_done", "documents", "result", "miss"), ("disconnected", 1000, "")]
    assert all(0 < seconds < 10 for seconds in metrics.seconds)


async def test_a_lost_connection_has_no_code_and_its_requests_are_asked_again() -> None:
    metrics = Counted()
    async with (
        ScriptedServer() as server,
        pushaside.connect(server.url, metrics=metrics, random=no_wait) as client,
    ):
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        await peer.receive()
        peer.cut()
        peer = await server.accept()
        await peer.result(await peer.receive())
        await asking

    assert metrics.told[:5] == [
        ("connected",),
        ("disconnected", None, ""),
        ("connected",),
        ("asked_again", "documents", 2),
        ("request_done", "documents", "result", "miss"),
    ]


async def test_errors_are_told_by_their_code() -> None:
    metrics = Counted()
    async with ScriptedServer() as server, pushaside.connect(server.url, metrics=metrics) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        await peer.error(await peer.receive(), "not_found")
        with pytest.raises(pushaside.NotFoundError):
            await asking

    assert ("request_done", "documents", "not_found", None) in metrics.told


async def test_cancelled_requests_are_told() -> None:
    metrics = Counted()
    async with ScriptedServer() as server, pushaside.connect(server.url, metrics=metrics) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        await peer.receive()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    assert ("request_done", "documents", "cancelled", None) in metrics.told


async def test_updates_are_told_with_how_many_more_wait() -> None:
    metrics, topics = Counted(), Topics()
    async with (
        ScriptedServer(topics.answer) as server,
        pushaside.connect(server.url, metrics=metrics) as client,
        client.subscribe("demo:news") as news,
    ):
        for number in range(3):
            await client.publish("demo:news", number)
        for _ in range(3):
            await anext(news)

    taken = [each for each in metrics.told if each[0] == "update_taken"]
    assert taken == [("update_taken", "demo:news", waiting) for waiting in (2, 1, 0)]


async def test_a_hook_that_fails_is_logged_and_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Metrics):
        def request_done(self, compute: str, outcome: str, cache: str | None, seconds: float) -> None:
            raise LookupError("no such counter")

    with caplog.at_level(logging.ERROR, "pushaside"):
        async with ScriptedServer(answering) as server, pushaside.connect(server.url, metrics=Broken()) as client:
            assert (await client.request("documents", {"n": 1})).data == {"n": 1}

    assert "a metrics hook failed" in caplog.text
