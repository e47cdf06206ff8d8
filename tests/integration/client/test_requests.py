"""Requests over a real socket."""

from __future__ import annotations

import asyncio

import pytest

import pushaside
from pushaside import Settings
from tests.integration.client.scripted_server import ScriptedServer, answering


def no_wait() -> float:
    return 0.0


async def test_a_request_is_answered_with_a_typed_result() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents", {"ids": ["TX"]}, deadline=5.0, max_age=60))
        request = await peer.receive()
        await peer.result(request, data=[{"iata": "DFW"}], cache="hit", age_ms=1500)
        result = await asking

    assert {**request, "id": "r"} == {
        "action": "request",
        "id": "r",
        "compute": "documents",
        "params": {"ids": ["TX"]},
        "deadline_ms": 5000,
        "accept": ["gzip"],
        "max_age": 60,
    }
    assert (result.id, result.cache, result.age, result.etag) == (request["id"], "hit", 1.5, "5f2a")
    assert result.data == [{"iata": "DFW"}]


async def test_many_requests_share_one_socket() -> None:
    async with ScriptedServer(answering) as server, pushaside.connect(server.url) as client:
        results = await asyncio.gather(*(client.request("documents", {"n": n}) for n in range(1000)))

        assert [result.data["n"] for result in results] == list(range(1000))
        assert len(server.handshakes) == 1


async def test_answers_may_come_in_any_order_and_before_accepted() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        asking = [asyncio.create_task(client.request("documents", {"n": n})) for n in range(20)]
        requests = [await peer.receive() for _ in asking]
        for request in reversed(requests):
            await peer.result(request, data=request["params"]["n"])
            await peer.say(type="accepted", id=request["id"])
        results = await asyncio.gather(*asking)

    assert [result.data for result in results] == list(range(20))


async def test_a_second_answer_is_ignored() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        request = await peer.receive()
        await peer.result(request, data="first")
        await peer.result(request, data="second")
        await peer.error(request, "internal")
        assert (await asking).data == "first"

        asking = asyncio.create_task(client.request("documents"))
        await peer.result(await peer.receive(), data="next")
        assert (await asking).data == "next"


async def test_an_error_is_raised_by_its_code() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("nothing"))
        await peer.error(await peer.receive(), "unknown_compute")

        with pytest.raises(pushaside.UnknownComputeError, match="It is unknown_compute"):
            await asking


async def test_a_throttled_request_is_asked_again_under_the_same_id() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url, random=no_wait) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        first = await peer.receive()
        await peer.error(first, "source_throttled", retryable=True, retry_after_ms=10)
        second = await peer.receive()
        await peer.result(second, data=1)

        assert second["id"] == first["id"]
        assert (await asking).data == 1


async def test_a_request_that_is_not_answered_ends_at_its_deadline() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        with pytest.raises(pushaside.RequestTimeoutError, match=r"within 0\.05 s"):
            await client.request("documents", deadline=0.05)

        late = await peer.receive()
        await peer.result(late)
        asking = asyncio.create_task(client.request("documents"))
        await peer.result(await peer.receive(), data="unharmed")
        assert (await asking).data == "unharmed"


async def test_a_silent_service_is_asked_again() -> None:
    settings = Settings(reask_seconds=0.05)
    async with ScriptedServer() as server, pushaside.connect(server.url, settings=settings) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        first = await peer.receive()
        again = await peer.receive()
        while again["action"] == "ping":
            again = await peer.receive()
        await peer.result(again, data=1)

        assert again["id"] == first["id"]
        assert (await asking).data == 1


async def test_cancelling_frees_everything() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        await peer.receive()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

        assert client._shell._futures == {}
        assert client._shell._session._exchanges.all() == []


async def test_closing_fails_what_is_unanswered() -> None:
    async with ScriptedServer() as server:
        async with pushaside.connect(server.url) as client:
            peer = await server.accept()
            asking = asyncio.create_task(client.request("documents"))
            await peer.receive()
        with pytest.raises(pushaside.ConnectionClosedError, match="The client was closed"):
            await asking
        with pytest.raises(pushaside.ConnectionClosedError):
            await client.request("documents")


async def test_a_long_message_goes_out_in_frames_that_the_gateway_takes() -> None:
    text = "é" * 45_000
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents", {"text": text}))
        request = await peer.receive()
        await peer.result(request)
        await asking

    assert request["params"] == {"text": text}
    assert max(peer.frame_sizes) <= 32 * 1024


async def test_a_message_over_the_limit_is_refused_before_it_is_sent() -> None:
    async with ScriptedServer(answering) as server, pushaside.connect(server.url) as client:
        with pytest.raises(pushaside.TooLargeError):
            await client.request("documents", {"text": "x" * 131_072})

        assert (await client.request("documents", {"n": 1})).data == {"n": 1}


async def test_a_message_as_large_as_the_gateway_passes_on_is_read() -> None:
    data = "x" * 130_000
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        await peer.result(await peer.receive(), data=data)

        assert (await asking).data == data


@pytest.mark.parametrize("text", ["not json", "[]", b"\x00\xff", '{"type":"update","topic":"t"}', '{"type":"result"}'])
async def test_what_cannot_be_understood_is_ignored(text: str | bytes) -> None:
    async with ScriptedServer(answering) as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        await peer.say_text(text)

        assert (await client.request("documents", {"n": 1})).data == {"n": 1}


async def test_a_fault_of_the_gateway_has_the_request_asked_again() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url, random=no_wait) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        first = await peer.receive()
        await peer.fault("Internal server error")
        again = await peer.receive()
        await peer.result(again, data=1)

        assert again["id"] == first["id"]
        assert (await asking).data == 1


async def test_a_gateway_without_a_route_for_requests_fails_them() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        # A pong is proof that the client has read the welcome before it.
        measuring = asyncio.create_task(client.ping())
        await peer.receive()
        await peer.say(type="pong")
        await measuring
        asking = asyncio.create_task(client.request("documents"))
        await peer.receive()
        await peer.fault("Forbidden")

        with pytest.raises(pushaside.ForbiddenError):
            await asking


async def test_a_ping_measures_seconds() -> None:
    async with ScriptedServer(answering) as server, pushaside.connect(server.url) as client:
        assert 0 < await client.ping() < 5


async def test_a_ping_without_a_pong_times_out() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        with pytest.raises(pushaside.RequestTimeoutError):
            await client.ping(deadline=0.05)


@pytest.mark.parametrize("deadline", [0, -1, float("inf"), float("nan")])
async def test_a_deadline_that_is_none_is_refused(deadline: float) -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        with pytest.raises(ValueError, match="deadline"):
            await client.request("documents", deadline=deadline)


async def test_params_that_json_cannot_hold_are_refused() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        with pytest.raises(pushaside.InvalidParamsError):
            await client.request("documents", {"at": object()})
