"""`Client.stream`: how far a request has come, and its result."""

from __future__ import annotations

import asyncio
import contextlib
import json

import orjson
import pytest

import pushaside
from pushaside import Progress, Result
from pushaside.protocol.data_forms import make_etag
from tests.integration.client.scripted_http import Answer, ScriptedHttp
from tests.integration.client.scripted_server import Peer, ScriptedServer


def no_wait() -> float:
    return 0.0


async def collect(client: pushaside.Client, **options: float) -> list[Progress | Result]:
    return [each async for each in client.stream("documents", {"ids": ["TX"]}, **options)]


async def say_in_pieces(peer: Peer, request: dict, data: object, pieces: int) -> None:
    answer = {"type": "result", "id": request["id"], "key": "k", "etag": "e", "cache": "hit", "age_ms": 0, "data": data}
    text = json.dumps(answer)
    step = -(-len(text) // pieces)
    for index in range(pieces):
        part = text[index * step : (index + 1) * step]
        await peer.say(type="chunk", id=request["id"], of="e", index=index, count=pieces, data=part)


async def test_the_result_comes_last_and_what_happened_before_it() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        stream = client.stream("documents", {"ids": ["TX"]})
        sent = await anext(stream)
        request = await peer.receive()
        await peer.say(type="accepted", id=request["id"])
        accepted = await anext(stream)
        await peer.result(request, data=[1])
        result = await anext(stream)

        assert (sent, accepted) == (Progress("sent", attempt=1), Progress("accepted", attempt=1))
        assert isinstance(result, Result)
        assert result.data == [1]
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_pieces_are_counted_as_they_come() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        stream = client.stream("documents")
        await anext(stream)
        request = await peer.receive()
        piece = {"type": "chunk", "id": request["id"], "of": "e", "count": 4}
        for index in (2, 0):
            await peer.say(**piece, index=index, data="x")
            progress = await anext(stream)
            assert isinstance(progress, Progress)
        await stream.aclose()

    assert progress == Progress("receiving", attempt=1, received=2, expected=4, unit="pieces")
    assert progress.share == 0.5


async def test_whoever_takes_slowly_gets_the_newest_of_each_stage() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        stream = client.stream("documents")
        await anext(stream)
        await say_in_pieces(peer, await peer.receive(), ["x" * 100], pieces=50)
        await client_is_idle(client, peer)
        received = [each async for each in stream]

    assert received[0] == Progress("receiving", attempt=1, received=50, expected=50, unit="pieces")
    assert [type(each) for each in received] == [Progress, Result]


async def client_is_idle(client: pushaside.Client, peer: Peer) -> None:
    """Wait until the client has taken all that was said: a pong comes after it."""
    pinging = asyncio.create_task(client.ping())
    assert (await peer.receive())["action"] == "ping"
    await peer.say(type="pong")
    await pinging


async def test_bytes_of_a_link_are_counted() -> None:
    data = orjson.dumps(["x" * 600_000])
    with ScriptedHttp(Answer(body=data)) as http:
        async with ScriptedServer() as server, pushaside.connect(server.url) as client:
            peer = await server.accept()
            collecting = asyncio.create_task(collect(client))
            request = await peer.receive()
            link = {"type": "result", "id": request["id"], "key": "k", "etag": make_etag(data), "cache": "hit"}
            await peer.say(**link, age_ms=0, url=http.url)
            *progress, result = await collecting

    fetching = [each for each in progress if isinstance(each, Progress) and each.stage == "fetching"]
    assert isinstance(result, Result)
    assert fetching[-1] == Progress("fetching", 1, received=len(data), expected=len(data), unit="bytes")


async def test_attempts_are_counted() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url, random=no_wait) as client:
        peer = await server.accept()
        stream = client.stream("documents")
        assert await anext(stream) == Progress("sent", attempt=1)
        await peer.receive()
        peer.cut()
        peer = await server.accept()
        assert await anext(stream) == Progress("sent", attempt=2)
        await peer.result(await peer.receive())
        assert isinstance(await anext(stream), Result)


async def test_an_error_is_raised_after_the_news() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        stream = client.stream("documents")
        await anext(stream)
        await peer.error(await peer.receive(), "not_found")
        with pytest.raises(pushaside.NotFoundError):
            await anext(stream)


async def test_the_deadline_ends_it() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        with pytest.raises(pushaside.RequestTimeoutError):
            await collect(client, deadline=0.05)


async def test_leaving_it_gives_the_request_up() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        async with contextlib.aclosing(client.stream("documents")) as stream:
            async for _ in stream:
                break

        assert client._shell._futures == {}
        assert client._shell._watching == {}
        assert client._shell._session._exchanges.all() == []


async def test_cancelling_who_iterates_gives_the_request_up() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        collecting = asyncio.create_task(collect(client))
        await peer.receive()
        collecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await collecting

        assert client._shell._futures == {}
        assert client._shell._watching == {}
