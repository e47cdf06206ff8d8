"""`async for client in connect(...)`: one client after another, for ever."""

from __future__ import annotations

import asyncio

import pytest

import pushaside
from pushaside import Settings
from tests.integration.client.scripted_server import ScriptedServer, answering
from tests.integration.client.test_connections import free_port
from tests.patience import PATIENCE_SECONDS

FAREWELL = {"type": "bye", "code": "maintenance", "retry": False}


class Jitter:
    """Randomness that is always the same, and is counted."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value
        self.taken = 0

    def __call__(self) -> float:
        self.taken += 1
        return self.value


async def test_a_client_that_has_ended_for_good_is_followed_by_another() -> None:
    async with ScriptedServer() as server:
        seen = []
        async for client in pushaside.connect(server.url, random=Jitter()):
            peer = await server.accept()
            seen.append(client)
            if len(seen) == 3:
                break
            await peer.say(**FAREWELL)
            await client.wait_closed()
            with pytest.raises(pushaside.ConnectionClosedError):
                await client.request("documents")

    assert len(set(seen)) == 3


async def test_the_client_of_a_turn_is_closed_before_the_next_is_opened() -> None:
    async with ScriptedServer(answering) as server:
        seen = []
        async for client in pushaside.connect(server.url, random=Jitter()):
            assert all(each.is_closed for each in seen)
            assert (await client.request("documents", {"turn": len(seen)})).data == {"turn": len(seen)}
            seen.append(client)
            if len(seen) == 3:
                break


async def test_nothing_there_is_waited_for() -> None:
    port = free_port()
    clients = aiter(pushaside.connect(f"ws://127.0.0.1:{port}/v1", random=Jitter(0.01)))
    opening = asyncio.create_task(anext(clients))
    await asyncio.sleep(0.05)
    server = ScriptedServer(answering, port=port)

    async with server, asyncio.timeout(PATIENCE_SECONDS):
        client = await opening
        assert (await client.request("documents", {"n": 1})).data == {"n": 1}
        await clients.aclose()
        assert client.is_closed


async def test_failures_in_a_row_are_waited_for_longer_and_longer() -> None:
    waits = []
    settings = Settings(backoff_base_seconds=0.001, backoff_cap_seconds=0.004)
    connecting = pushaside.connect(f"ws://127.0.0.1:{free_port()}/v1", settings=settings, random=lambda: 1.0)
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 5:
            raise asyncio.CancelledError
        await sleep(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pushaside.connecting.asyncio.sleep", noted)
        with pytest.raises(asyncio.CancelledError):
            await anext(aiter(connecting))

    assert waits == [0.001, 0.002, 0.004, 0.004, 0.004]


@pytest.mark.parametrize(("status", "error"), [(401, pushaside.UnauthorizedError), (403, pushaside.ForbiddenError)])
async def test_a_credential_that_is_refused_is_raised(status: int, error: type[Exception]) -> None:
    async with ScriptedServer() as server:
        server.refuse(status)
        with pytest.raises(error):
            async for _ in pushaside.connect(server.url, token="t"):
                pass


async def test_a_credential_that_is_refused_later_is_raised_in_its_turn() -> None:
    async with ScriptedServer() as server:
        clients = aiter(pushaside.connect(server.url, token="t", random=Jitter()))
        client = await anext(clients)
        peer = await server.accept()
        server.refuse(401)
        server.refuse(401)
        peer.cut()
        await client.wait_closed()
        with pytest.raises(pushaside.UnauthorizedError):
            await anext(clients)


async def test_a_client_can_be_awaited_and_closed_by_its_block() -> None:
    async with ScriptedServer(answering) as server:
        async with await pushaside.connect(server.url) as client:
            assert (await client.request("documents", {"n": 1})).data == {"n": 1}
            assert not client.is_closed
        assert client.is_closed


async def test_one_connect_serves_one_block_at_a_time() -> None:
    async with ScriptedServer(answering) as server:
        connecting = pushaside.connect(server.url)
        async with connecting:
            with pytest.raises(RuntimeError, match="has an open client"):
                async with connecting:
                    pass
        async with connecting as client:
            assert (await client.request("documents", {"n": 2})).data == {"n": 2}
