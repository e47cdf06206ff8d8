"""Routes that take no more than their throttling allows."""

from __future__ import annotations

import re

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from local.gateway.api import FunctionIntegration, HttpApi, HttpRoute, Limits, Throttle, WebSocketRoute
from tests.integration.local_gateway.fake_functions import FakeFunctions
from tests.integration.local_gateway.served_gateways import Serve, raw_connection, url, websocket_api

NOTHING = Throttle(0.0, 0)
TWO_AT_ONCE = Throttle(0.001, 2)


def throttled(key: str, throttle: Throttle, function: str = "echo") -> WebSocketRoute:
    return WebSocketRoute(key, FunctionIntegration(function), has_response=True, throttle=throttle)


async def test_a_message_beyond_the_burst_gets_a_frame_and_the_socket_stays_open(
    serve: Serve, functions: FakeFunctions
):
    gateway = await serve(websocket_api(busy=throttled("busy", TWO_AT_ONCE)))
    message = '{"action":"busy"}'
    async with connect(url(gateway)) as client:
        for _ in range(2):
            await client.send(message)
            assert await client.recv() == message
        await client.send(message)
        refused = await client.recv()
        assert re.fullmatch(r'\{"message": "Limit Exceeded", "connectionId":"[^"]+", "requestId":"[^"]+"\}', refused)
        await client.send('{"action":"ping"}')
        assert await client.recv() == '{"type":"pong"}'
    assert len(functions.events["echo"]) == 2


async def test_a_handshake_beyond_it_is_429_and_calls_nothing(serve: Serve, functions: FakeFunctions):
    gateway = await serve(websocket_api(connect=throttled("$connect", NOTHING, "connect")))
    with pytest.raises(InvalidStatus) as refused:
        await connect(url(gateway)).__aenter__()
    assert refused.value.response.status_code == 429
    assert not functions.events["connect"]


async def test_a_request_beyond_it_is_429(serve: Serve, functions: FakeFunctions):
    functions.handlers["http"] = lambda event: "answered"
    route = HttpRoute("GET /x", FunctionIntegration("http"), TWO_AT_ONCE)
    gateway = await serve(None, HttpApi("xyz789", "$default", (route,)))
    async with raw_connection(gateway) as (reader, writer):
        writer.write(b"GET /x HTTP/1.1\r\nHost: gateway.test\r\n\r\n" * 2)
        writer.write(b"GET /x HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n")
        answers = await reader.read()
        while not reader.at_eof():
            answers += await reader.read()
    assert [int(each[:3]) for each in answers.split(b"HTTP/1.1 ")[1:]] == [200, 200, 429]
    assert answers.endswith(b'{"message":"Too Many Requests"}')


async def test_nothing_is_refused_where_throttling_is_not_kept_to(serve: Serve):
    limits = Limits(keeps_to_throttles=False)
    gateway = await serve(websocket_api(busy=throttled("busy", NOTHING)), limits=limits)
    async with connect(url(gateway)) as client:
        await client.send('{"action":"busy"}')
        assert await client.recv() == '{"action":"busy"}'
