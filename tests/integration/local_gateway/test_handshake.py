"""`$connect`: who gets in, what the functions are told, and what those who don't get in see."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from local.functions.invocation import Invocation, Outcome
from local.gateway.api import Authorizer, FunctionIntegration, HttpApi, HttpRoute, WebSocketRoute
from local.gateway.server import Gateway
from tests.integration.local_gateway.fake_functions import FakeFunctions, allow, ok
from tests.integration.local_gateway.served_gateways import Serve, raw_connection, url, websocket_api

CONNECT = FunctionIntegration("connect")
UPGRADE = (
    b"GET %b HTTP/1.1\r\nHost: gateway.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%b\r\n"
)


def authorized(*identity_sources: str):
    authorizer = Authorizer("authorizer", identity_sources)
    return websocket_api(connect=WebSocketRoute("$connect", CONNECT, has_response=False, authorizer=authorizer))


async def refusal(gateway: Gateway, path: str = "/v1", **options: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as refused:
        await connect(url(gateway, path), **options)
    response = refused.value.response
    return response.status_code, orjson.loads(response.body)


@pytest.mark.parametrize("answer", [{"statusCode": 200}, {"statusCode": 201}, {"statusCode": "204"}])
async def test_a_2xx_answer_opens_the_socket(gateway: Gateway, functions: FakeFunctions, answer):
    functions.handlers["connect"] = lambda event: answer
    async with connect(url(gateway)):
        assert gateway.connections == 1


@pytest.mark.parametrize("status", [301, 400, 401, 403, 429, 500, 501])
async def test_another_status_is_passed_on(gateway: Gateway, functions: FakeFunctions, status: int):
    functions.handlers["connect"] = lambda event: {"statusCode": status, "body": "no"}
    refused, _ = await refusal(gateway)
    assert refused == status
    assert gateway.connections == 0
    assert "disconnect" not in functions.events


@pytest.mark.parametrize(
    "invocation",
    [
        Invocation(Outcome.RAISED, b'{"errorMessage":"x","errorType":"ValueError"}'),
        Invocation(Outcome.TIMED_OUT, b'{"errorMessage":"Task timed out"}'),
        Invocation(Outcome.RETURNED, b"null"),
        Invocation(Outcome.RETURNED, b'{"body":"no status"}'),
        Invocation(Outcome.RETURNED, b'{"statusCode":"many"}'),
        Invocation(Outcome.RETURNED, b'{"statusCode":"%b"}' % (b"2" * 5000)),
        Invocation(Outcome.RETURNED, b"not json"),
    ],
)
async def test_a_connect_function_that_fails_is_a_bad_gateway(gateway, functions: FakeFunctions, invocation):
    functions.handlers["connect"] = lambda event: invocation
    status, body = await refusal(gateway)
    assert status == 502
    assert set(body) == {"message", "connectionId", "requestId"}


async def test_a_throttled_connect_function_is_429(gateway: Gateway, functions: FakeFunctions):
    functions.handlers["connect"] = lambda event: Invocation(Outcome.THROTTLED, b"{}")
    assert (await refusal(gateway))[0] == 429


async def test_a_connect_function_that_outlasts_its_integration_is_504(serve: Serve, functions: FakeFunctions):
    slow = WebSocketRoute("$connect", FunctionIntegration("connect", timeout_seconds=0.05), has_response=False)
    gateway = await serve(websocket_api(connect=slow))
    functions.handlers["connect"] = lambda event: asyncio.get_running_loop().create_future()
    assert (await refusal(gateway))[0] == 504


async def test_without_a_connect_route_everybody_gets_in(serve: Serve):
    gateway = await serve(websocket_api(connect=None))
    async with connect(url(gateway)) as client:
        await client.send("hello")
        assert await client.recv() == "hello"


async def test_the_socket_opens_only_after_connect_has_ended(gateway: Gateway, functions: FakeFunctions):
    ended = asyncio.get_running_loop().create_future()
    functions.handlers["connect"] = lambda event: ended
    opening = asyncio.ensure_future(connect(url(gateway)).__aenter__())
    await functions.event("connect")
    assert gateway.connections == 0
    assert not opening.done()
    ended.set_result({"statusCode": 200})
    await (await opening).close()


async def test_connect_is_told_of_the_handshake(gateway: Gateway, functions: FakeFunctions):
    headers = [("X-Tag", "one"), ("X-Tag", "two"), ("Authorization", "Bearer x")]
    query = "/v1?token=a%20b&tag=1&tag=2"
    async with connect(url(gateway, query), additional_headers=headers, user_agent_header="agent", origin="http://o"):
        event = await functions.event("connect")
    assert event["headers"]["X-Tag"] == "two"
    assert event["multiValueHeaders"]["X-Tag"] == ["one", "two"]
    assert event["headers"]["Authorization"] == "Bearer x"
    assert event["headers"]["Origin"] == "http://o"
    assert event["headers"]["Sec-WebSocket-Version"] == "13"
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert event["headers"]["X-Forwarded-Port"] == str(gateway.address[1])
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", event["headers"]["X-Amzn-Trace-Id"])
    assert not {"Connection", "Upgrade", "content-length"} & event["headers"].keys()
    assert event["queryStringParameters"] == {"token": "a b", "tag": "2"}
    assert event["multiValueQueryStringParameters"] == {"token": ["a b"], "tag": ["1", "2"]}
    assert event["isBase64Encoded"] is False
    assert "body" not in event


async def test_the_context_of_connect_is_api_gateways(gateway: Gateway, functions: FakeFunctions):
    async with connect(url(gateway), user_agent_header="agent"):
        event = await functions.event("connect")
    context = event["requestContext"]
    assert set(context) == {
        *("routeKey", "eventType", "extendedRequestId", "requestTime", "messageDirection", "stage", "connectedAt"),
        *("requestTimeEpoch", "identity", "requestId", "domainName", "connectionId", "apiId"),
    }
    assert (context["routeKey"], context["eventType"], context["messageDirection"]) == ("$connect", "CONNECT", "IN")
    assert (context["stage"], context["apiId"]) == ("v1", "abc123")
    assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "agent"}
    assert context["requestId"] == context["extendedRequestId"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{15}=", context["connectionId"])
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["requestTime"])
    assert context["connectedAt"] <= context["requestTimeEpoch"]
    assert context["domainName"] == "{}:{}".format(*gateway.address)
    assert "queryStringParameters" not in event


async def test_the_subprotocol_that_connect_returns_is_echoed(gateway: Gateway, functions: FakeFunctions):
    functions.handlers["connect"] = lambda event: {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "v2"}}
    async with connect(url(gateway), subprotocols=["v1", "v2"]) as client:
        assert client.subprotocol == "v2"


async def test_without_an_echo_there_is_no_subprotocol(gateway: Gateway):
    async with connect(url(gateway), subprotocols=["v1"]) as client:
        assert client.subprotocol is None


async def test_a_subprotocol_that_is_not_a_token_is_a_bad_gateway(gateway: Gateway, functions: FakeFunctions):
    headers = {"sec-websocket-protocol": "v1\r\nSet-Cookie: a=b"}
    functions.handlers["connect"] = lambda event: {"statusCode": 200, "headers": headers}
    assert (await refusal(gateway))[0] == 502


async def test_compression_is_not_negotiated(gateway: Gateway):
    async with connect(url(gateway), compression="deflate") as client:
        assert "Sec-WebSocket-Extensions" not in client.response.headers


@pytest.mark.parametrize("path", ["/", "/v2", "/v1/more", "/v1x"])
async def test_an_upgrade_elsewhere_than_on_the_stage_is_forbidden(gateway: Gateway, path: str):
    status, body = await refusal(gateway, path)
    assert (status, body) == (403, {"message": "Forbidden"})


async def test_the_stage_may_end_in_a_slash(gateway: Gateway):
    async with connect(url(gateway, "/v1/")):
        assert gateway.connections == 1


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n", b"426"),
        (UPGRADE.replace(b"Version: 13", b"Version: 12") % (b"/v1", b""), b"400"),
        (UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short") % (b"/v1", b""), b"400"),
        (UPGRADE.replace(b"GET", b"POST") % (b"/v1", b"Content-Length: 0\r\n"), b"405"),
        (UPGRADE % (b"/v1?" + b"x" * 4096, b""), b"414"),
    ],
)
async def test_what_is_not_a_handshake_calls_nothing(gateway, functions: FakeFunctions, request_text, status):
    async with raw_connection(gateway) as (reader, writer):
        writer.write(request_text)
        assert (await reader.readline()).split()[1] == status
    assert not functions.events


async def test_a_frame_sent_with_the_handshake_waits_for_its_end(gateway: Gateway, functions: FakeFunctions):
    ended = asyncio.get_running_loop().create_future()
    functions.handlers["connect"] = lambda event: ended
    frame = b"\x81\x82\0\0\0\0hi"
    async with raw_connection(gateway) as (reader, writer):
        writer.write(UPGRADE % (b"/v1", b"") + frame)
        await functions.event("connect")
        writer.write(frame)
        assert "echo" not in functions.events
        ended.set_result({"statusCode": 200})
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        assert await reader.readexactly(8) == b"\x81\x02hi\x81\x02hi"


async def test_a_handshake_may_wait_behind_another_request(serve: Serve, functions: FakeFunctions):
    slow, ended = (asyncio.get_running_loop().create_future() for _ in range(2))
    functions.handlers |= {"http": lambda event: slow, "connect": lambda event: ended}
    http_api = HttpApi("xyz789", "$default", (HttpRoute("$default", FunctionIntegration("http")),))
    gateway = await serve(websocket_api(), http_api)
    frame = b"\x81\x82\0\0\0\0hi"
    async with raw_connection(gateway) as (reader, writer):
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + UPGRADE % (b"/v1", b"") + frame)
        await functions.event("http")
        writer.write(frame)
        slow.set_result("done")
        assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200 ")
        await functions.event("connect")
        writer.write(frame)
        ended.set_result({"statusCode": 200})
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await reader.readexactly(12) == b"\x81\x02hi" * 3


async def test_a_client_that_leaves_while_connect_runs_is_disconnected(gateway: Gateway, functions: FakeFunctions):
    ended = asyncio.get_running_loop().create_future()
    functions.handlers["connect"] = lambda event: ended
    async with raw_connection(gateway) as (_, writer):
        writer.write(UPGRADE % (b"/v1", b""))
        connected = await functions.event("connect")
    ended.set_result({"statusCode": 200})
    disconnected = await functions.event("disconnect")
    assert disconnected["requestContext"]["connectionId"] == connected["requestContext"]["connectionId"]


class TestAuthorizer:
    async def test_is_told_of_the_handshake(self, serve: Serve, functions: FakeFunctions):
        gateway = await serve(authorized())
        functions.handlers["authorizer"] = allow
        async with connect(url(gateway)):
            event = await functions.event("authorizer")
        assert event["type"] == "REQUEST"
        assert event["methodArn"] == "arn:aws:execute-api:us-east-1:000000000000:abc123/v1/$connect"
        assert event["headers"]["Connection"] == "Upgrade"
        assert event["headers"]["Upgrade"] == "websocket"
        assert event["headers"]["content-length"] == "0"
        assert event["queryStringParameters"] == {}
        assert event["multiValueQueryStringParameters"] == {}
        assert event["stageVariables"] == {}
        assert event["requestContext"]["eventType"] == "CONNECT"
        assert "messageId" not in event["requestContext"]

    async def test_its_context_is_in_every_later_event_as_strings(self, serve: Serve, functions: FakeFunctions):
        gateway = await serve(authorized())
        functions.handlers["authorizer"] = lambda event: allow(event, tenant="t", level=3, admin=True, ratio=0.5)
        async with connect(url(gateway)) as client:
            await client.send("{}")
            await client.recv()
        for function in ("connect", "echo", "disconnect"):
            members = (await functions.event(function))["requestContext"]["authorizer"]
            assert isinstance(members.pop("integrationLatency"), int)
            assert members == {"tenant": "t", "level": "3", "admin": "true", "ratio": "0.5", "principalId": "user"}

    async def test_is_not_called_without_the_identity(self, serve: Serve, functions: FakeFunctions):
        gateway = await serve(authorized("route.request.querystring.token", "route.request.header.X-Key"))
        functions.handlers["authorizer"] = allow
        for path, headers in (("/v1", {"x-key": "1"}), ("/v1?token=", {"x-key": "1"}), ("/v1?token=1", {})):
            status, body = await refusal(gateway, path, additional_headers=headers)
            assert (status, body["message"]) == (401, "Unauthorized")
        assert not functions.events
        async with connect(url(gateway, "/v1?token=1"), additional_headers={"x-key": "1"}):
            assert gateway.connections == 1

    async def test_refuses_by_raising_unauthorized(self, serve: Serve, functions: FakeFunctions):
        def authorizer(event):
            raise Exception("Unauthorized")

        gateway = await serve(authorized())
        functions.handlers["authorizer"] = authorizer
        assert (await refusal(gateway))[0] == 401
        assert "connect" not in functions.events

    async def test_refuses_by_a_deny(self, serve: Serve, functions: FakeFunctions):
        def deny(event):
            answer = allow(event)
            answer["policyDocument"]["Statement"][0]["Effect"] = "Deny"
            return answer

        gateway = await serve(authorized())
        functions.handlers["authorizer"] = deny
        status, body = await refusal(gateway)
        assert (status, body["message"]) == (403, "Forbidden")

    async def test_that_allows_something_else_refuses(self, serve: Serve, functions: FakeFunctions):
        gateway = await serve(authorized())
        functions.handlers["authorizer"] = lambda event: allow({"methodArn": event["methodArn"] + "x"})
        assert (await refusal(gateway))[0] == 403

    async def test_that_answers_nonsense_is_an_internal_error(self, serve: Serve, functions: FakeFunctions):
        gateway = await serve(authorized())
        functions.handlers["authorizer"] = lambda event: {"statusCode": 401}
        assert (await refusal(gateway))[0] == 500

    async def test_then_connect_decides(self, serve: Serve, functions: FakeFunctions):
        gateway = await serve(authorized())
        functions.handlers |= {"authorizer": allow, "connect": lambda event: {"statusCode": 418}}
        assert (await refusal(gateway))[0] == 418
        functions.handlers["connect"] = ok
        async with connect(url(gateway)):
            assert gateway.connections == 1
