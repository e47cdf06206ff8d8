"""How connections end, what the client sees of it, and what `$disconnect` is told."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from local.gateway.api import Limits
from local.gateway.server import Gateway
from tests.integration.local_gateway.fake_functions import FakeFunctions
from tests.integration.local_gateway.served_gateways import (
    Serve,
    frame,
    raw_websocket,
    read_close,
    read_frame,
    url,
    websocket_api,
)
from tests.patience import PATIENCE_SECONDS

TEXT, BINARY, CONTINUATION, CLOSE, PING = 1, 2, 0, 8, 9


async def talk(client: ClientConnection) -> None:
    while True:
        await client.send("x")
        await client.recv()


async def ended(functions: FakeFunctions, number: int = 1) -> tuple[int, str]:
    context = (await functions.event("disconnect", number))["requestContext"]
    return context["disconnectStatusCode"], context["disconnectReason"]


async def test_the_event_of_a_disconnect_is_api_gateways(gateway: Gateway, functions: FakeFunctions):
    async with connect(url(gateway)):
        pass
    event = await functions.event("disconnect")
    host = "{}:{}".format(*gateway.address)
    assert event["headers"] == {"Host": host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    assert event["multiValueHeaders"] == {name: [value] for name, value in event["headers"].items()}
    assert event["isBase64Encoded"] is False
    connected = (await functions.event("connect"))["requestContext"]
    context = event["requestContext"]
    assert set(context) == connected.keys() | {"disconnectStatusCode", "disconnectReason"}
    assert (context["routeKey"], context["eventType"]) == ("$disconnect", "DISCONNECT")
    assert context["connectionId"] == connected["connectionId"]


async def test_a_close_frame_without_a_status_is_1005(gateway: Gateway, functions: FakeFunctions):
    async with raw_websocket(gateway) as (reader, writer):
        writer.write(frame(CLOSE, b""))
        assert await read_frame(reader) == (CLOSE, True, b"")
        assert await ended(functions) == (1005, "Client-side close frame status not set")


@pytest.mark.parametrize(
    ("code", "sent", "told"),
    [(1000, "", "Connection Closed Normally"), (1001, "", "Going away"), (1000, "bye", "bye"), (4001, "mine", "mine")],
)
async def test_a_clients_code_and_reason_are_told(gateway, functions: FakeFunctions, code: int, sent: str, told: str):
    async with connect(url(gateway)) as client:
        await client.close(code, sent)
        assert client.close_code == code
    assert await ended(functions) == (code, told)


async def test_a_connection_that_breaks_is_1006(gateway: Gateway, functions: FakeFunctions):
    async with raw_websocket(gateway) as (_, writer):
        raw_socket = writer.get_extra_info("socket")
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert await ended(functions) == (1006, "Connection Closed Abnormally")
    assert gateway.connections == 0


async def test_a_half_closed_connection_is_1006(gateway: Gateway, functions: FakeFunctions):
    async with raw_websocket(gateway) as (reader, writer):
        writer.write_eof()
        assert await reader.read() == b""
    assert await ended(functions) == (1006, "Connection Closed Abnormally")


async def test_disconnect_is_invoked_once_and_its_failure_hurts_nobody(gateway: Gateway, functions: FakeFunctions):
    def fail(event):
        raise ValueError("no")

    functions.handlers["disconnect"] = fail
    async with raw_websocket(gateway) as (reader, writer):
        writer.write(frame(CLOSE, struct.pack("!H", 1000)) + frame(TEXT, b"after the end"))
        await read_close(reader)
    async with connect(url(gateway)) as client:
        await client.send("x")
        assert await client.recv() == "x"
    await functions.event("disconnect", 2)
    assert len(functions.events["disconnect"]) == 2
    assert len(functions.events["echo"]) == 1


async def test_without_a_disconnect_route_nothing_is_called(serve: Serve, functions: FakeFunctions):
    gateway = await serve(websocket_api(disconnect=None))
    async with connect(url(gateway)):
        pass
    await gateway.close()
    assert "disconnect" not in functions.events


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(BINARY, b"\x00\x01"), 1003),
        (frame(BINARY, b"\x00", fin=False), 1003),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, b"\x28"), 1007),
        (frame(TEXT, b"x" * (32 * 1024 + 1)), 1009),
        (frame(TEXT, b"x" * 70_000), 1009),
        (frame(TEXT, b"x" * 32_768, fin=False) + frame(CONTINUATION, b"x" * 32_768, fin=False) * 3
         + frame(CONTINUATION, b"x"), 1009),
        (frame(TEXT, b"hi", masked=False), 1002),
        (frame(TEXT, b"hi", reserved=4), 1002),
        (frame(3, b"hi"), 1002),
        (frame(CONTINUATION, b"hi"), 1002),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, struct.pack("!H", 1006)), 1002),
    ],
)  # fmt: skip
async def test_what_is_against_the_rules_closes_the_connection(gateway, functions: FakeFunctions, sent, code):
    async with raw_websocket(gateway) as (reader, writer):
        writer.write(sent)
        assert (await read_close(reader))[0] == code
    assert (await ended(functions))[0] == code
    assert "echo" not in functions.events
    assert gateway.connections == 0


async def test_what_came_before_the_violation_is_still_served(gateway: Gateway, functions: FakeFunctions):
    async with raw_websocket(gateway) as (reader, writer):
        writer.write(frame(TEXT, b'{"action":"ping"}') + frame(BINARY, b"\x00") + frame(TEXT, b"never"))
        assert (await read_frame(reader))[2] == b'{"type":"pong"}'
        assert (await read_close(reader))[0] == 1003
    await functions.event("disconnect")
    assert "echo" not in functions.events


async def test_a_frame_and_a_message_of_exactly_the_limit_pass(gateway: Gateway):
    piece = b"x" * (32 * 1024)
    async with raw_websocket(gateway) as (reader, writer):
        writer.write(frame(TEXT, piece))
        assert (await read_frame(reader))[2] == piece
        writer.write(frame(TEXT, piece, fin=False) + frame(CONTINUATION, piece, fin=False) * 2)
        writer.write(frame(CONTINUATION, piece))
        assert sum([len((await read_frame(reader))[2]) for _ in range(4)]) == 128 * 1024


async def test_an_idle_connection_goes_away(serve: Serve, functions: FakeFunctions):
    gateway = await serve(websocket_api(), None, Limits(idle_seconds=0.2))
    async with connect(url(gateway)) as client:
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert (client.close_code, client.close_reason) == (1001, "Going away")
    assert await ended(functions) == (1001, "Going away")


async def test_messages_in_either_direction_keep_a_connection_open(serve: Serve):
    gateway = await serve(websocket_api(), None, Limits(idle_seconds=0.4))
    loop = asyncio.get_running_loop()
    async with connect(url(gateway)) as client:
        until = loop.time() + 1.0
        while loop.time() < until:
            await client.send('{"action":"one_way"}')
            await asyncio.sleep(0.1)  # real time is what is tested
        (connection,) = gateway._stage.connections.values()
        until = loop.time() + 1.0
        while loop.time() < until:
            assert connection.send(b"push")
            assert await client.recv() == "push"
            await asyncio.sleep(0.1)
        assert gateway.connections == 1


async def test_pings_alone_do_not_keep_a_connection_open(serve: Serve, functions: FakeFunctions):
    gateway = await serve(websocket_api(), None, Limits(idle_seconds=0.3))
    async with connect(url(gateway), ping_interval=0.05) as client:
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1001


async def test_no_connection_outlives_the_longest_time(serve: Serve, functions: FakeFunctions):
    gateway = await serve(websocket_api(), None, Limits(connection_seconds=0.3))
    async with connect(url(gateway)) as client:
        talking = asyncio.ensure_future(talk(client))
        with pytest.raises(ConnectionClosed):
            await talking
        assert (client.close_code, client.close_reason) == (1001, "Going away")
    assert await ended(functions) == (1001, "Going away")


async def test_a_client_that_does_not_answer_the_close_is_cut(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("local.gateway.websocket_stage.CLOSE_TIMEOUT_SECONDS", 0.1)
    gateway = await serve(websocket_api(), None, Limits(idle_seconds=0.2))
    async with raw_websocket(gateway) as (reader, writer):
        assert (await read_frame(reader))[0] == CLOSE
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                writer.write(frame(TEXT, b"deaf"))
                try:
                    await writer.drain()
                except ConnectionError:
                    break
                await asyncio.sleep(0.02)
    assert gateway._stage.is_quiet


class TestStop:
    async def test_every_client_is_told_that_the_server_goes_away(self, gateway: Gateway, functions: FakeFunctions):
        async with connect(url(gateway)) as one, connect(url(gateway)) as two:
            await gateway.close()
            for client in (one, two):
                with pytest.raises(ConnectionClosed):
                    await client.recv()
                assert (client.close_code, client.close_reason) == (1001, "Going away")
        assert len(functions.events["disconnect"]) == 2

    async def test_it_takes_a_bounded_time(self, gateway: Gateway, functions: FakeFunctions):
        functions.handlers["echo"] = lambda event: asyncio.get_running_loop().create_future()
        async with raw_websocket(gateway) as (_, writer):
            writer.write(frame(TEXT, b"never answered"))
            await functions.event("echo")
            async with asyncio.timeout(2):
                await gateway.close(0.2)

    async def test_nobody_gets_in_any_more(self, gateway: Gateway):
        host, port = gateway.address
        await gateway.close()
        await gateway.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, port)
        with pytest.raises(RuntimeError):
            _ = gateway.address
