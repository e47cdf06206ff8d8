"""The HTTP API, the runtime's own pages, and HTTP/1.1 as clients really speak it."""

from __future__ import annotations

import asyncio
import base64
import socket
from typing import Any

import orjson
import pytest

from local.functions.invocation import Invocation, Outcome
from local.gateway.api import CorsConfiguration, FunctionIntegration, HttpApi, HttpRoute
from local.gateway.http_connection import MAX_BODY_BYTES
from local.gateway.server import Gateway
from tests.integration.local_gateway.fake_functions import FakeFunctions
from tests.integration.local_gateway.served_gateways import Serve, raw_connection, websocket_api

CORS = CorsConfiguration(allow_origins=("https://page.example",), allow_methods=("GET",), expose_headers=("etag",))


def http_api(
    *keys: str, stage: str = "$default", timeout_seconds: float = 29.0, cors: CorsConfiguration | None = None
) -> HttpApi:
    integration = FunctionIntegration("http", timeout_seconds)
    routes = tuple(HttpRoute(key, integration) for key in keys or ("$default",))
    return HttpApi("xyz789", stage, routes, cors=cors)


async def page() -> tuple[int, str, bytes]:
    return 200, "text/html; charset=utf-8", b"<p>page"


@pytest.fixture
async def gateway(serve: Serve, functions: FakeFunctions) -> Gateway:
    functions.handlers["http"] = lambda event: {"path": event["rawPath"]}
    return await serve(websocket_api(), http_api(), extra_routes={"/": page, "/_local/stats": page})


async def read_response(reader: asyncio.StreamReader, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines[1:-2]]
    headers = {name.lower(): value for name, value in pairs}
    body = b"" if head else await reader.readexactly(int(headers.get("content-length", 0)))
    headers["set-cookie"] = "|".join(value for name, value in pairs if name.lower() == "set-cookie")
    return int(lines[0].split()[1]), headers, body


async def fetch(gateway: Gateway, request: bytes, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
    async with raw_connection(gateway) as (reader, writer):
        writer.write(request)
        return await read_response(reader, head=head)


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: gateway.test", *headers, "", "")).encode()


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: gateway.test", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


class TestEvents:
    async def test_have_the_shape_of_payload_format_2(self, serve: Serve, functions: FakeFunctions):
        functions.handlers["http"] = lambda event: "ok"
        gateway = await serve(None, http_api("POST /tickets/{id}"))
        headers = ("X-Two: 1", "x-two: 2", "Cookie: a=1; b=2,3", "User-Agent: agent", "Content-Type: application/json")
        await fetch(gateway, post("/tickets/a%20b?q=1&q=2&e=&p=%26", b'{"x":1}', *headers))
        event = await functions.event("http")
        assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "POST /tickets/{id}", "/tickets/a b")
        assert event["rawQueryString"] == "q=1&q=2&e=&p=%26"
        assert event["queryStringParameters"] == {"q": "1,2", "e": "", "p": "&"}
        assert event["pathParameters"] == {"id": "a b"}
        assert event["cookies"] == ["a=1", "b=2,3"]
        assert event["headers"]["x-two"] == "1,2"
        assert event["headers"]["x-forwarded-for"] == "127.0.0.1"
        assert "cookie" not in event["headers"]
        assert (event["body"], event["isBase64Encoded"]) == ('{"x":1}', False)
        context = event["requestContext"]
        assert context["http"] == {
            "method": "POST",
            "path": "/tickets/a b",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "agent",
        }
        assert (context["apiId"], context["stage"], context["domainName"]) == ("xyz789", "$default", "gateway.test")
        assert context["routeKey"] == event["routeKey"]
        assert {"accountId", "domainPrefix", "requestId", "time", "timeEpoch"} < context.keys()

    async def test_leave_out_what_is_not_there(self, gateway: Gateway, functions: FakeFunctions):
        await fetch(gateway, get("/x"))
        absent = {"body", "cookies", "queryStringParameters", "pathParameters", "stageVariables"}
        event = await functions.event("http")
        assert not absent & event.keys()
        assert event["isBase64Encoded"] is False

    @pytest.mark.parametrize(
        "headers",
        [("Content-Type: application/octet-stream",), ("Content-Type: application/x-www-form-urlencoded",)],
    )
    async def test_carry_binary_bodies_as_base64(self, gateway: Gateway, functions: FakeFunctions, headers):
        await fetch(gateway, post("/x", b"\x00\xff", *headers))
        event = await functions.event("http")
        assert (event["body"], event["isBase64Encoded"]) == (base64.b64encode(b"\x00\xff").decode(), True)

    async def test_put_a_named_stage_in_the_path(self, serve: Serve, functions: FakeFunctions):
        functions.handlers["http"] = lambda event: "ok"
        gateway = await serve(None, http_api("GET /x", stage="prod"))
        assert (await fetch(gateway, get("/x")))[0] == 404
        assert (await fetch(gateway, get("/prod/x")))[0] == 200
        event = await functions.event("http")
        assert (event["rawPath"], event["requestContext"]["stage"]) == ("/prod/x", "prod")


class TestAnswers:
    async def answer(self, gateway: Gateway, functions: FakeFunctions, answer: Any, request: bytes = get("/x")):
        functions.handlers["http"] = lambda event: answer
        return await fetch(gateway, request)

    async def test_may_be_whole_responses(self, gateway: Gateway, functions: FakeFunctions):
        status, headers, body = await self.answer(
            gateway,
            functions,
            {
                "statusCode": 201,
                "headers": {"content-type": "text/css", "X-Number": 5, "Content-Length": "999"},
                "cookies": ["a=1; Secure", "b=2"],
                "body": "ü",
            },
        )
        assert (status, body) == (201, "ü".encode())
        assert headers["content-type"] == "text/css"
        assert headers["x-number"] == "5"
        assert headers["set-cookie"] == "a=1; Secure|b=2"
        assert headers["apigw-requestid"]

    async def test_are_text_unless_they_say_otherwise(self, gateway: Gateway, functions: FakeFunctions):
        _, headers, body = await self.answer(gateway, functions, {"statusCode": 200, "body": "x"})
        assert (headers["content-type"], body) == ("text/plain;charset=UTF-8", b"x")

    async def test_may_be_base64(self, gateway: Gateway, functions: FakeFunctions):
        answer = {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(b"\x00\xff").decode()}
        assert (await self.answer(gateway, functions, answer))[2] == b"\x00\xff"

    @pytest.mark.parametrize(
        ("answer", "body"), [({"a": 1}, b'{"a":1}'), ("text", b"text"), ([1], b"[1]"), (None, b"null"), (5, b"5")]
    )
    async def test_without_a_status_are_the_body_of_a_200(self, gateway, functions, answer, body):
        status, headers, got = await self.answer(gateway, functions, answer)
        assert (status, headers["content-type"], got) == (200, "application/json", body)

    @pytest.mark.parametrize(
        "answer",
        [
            {"statusCode": "x"},
            {"statusCode": 200, "body": {"a": 1}},
            {"statusCode": 200, "headers": ["a"]},
            {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
            {"statusCode": 200, "headers": {"a": {}}},
            {"statusCode": 200, "body": "!", "isBase64Encoded": True},
            Invocation(Outcome.RETURNED, b"not json"),
            Invocation(Outcome.RAISED, b"{}"),
            Invocation(Outcome.TIMED_OUT, b"{}"),
        ],
    )
    async def test_that_fail_are_internal_errors(self, gateway: Gateway, functions: FakeFunctions, answer):
        status, _, body = await self.answer(gateway, functions, answer)
        assert (status, body) == (500, b'{"message":"Internal Server Error"}')

    async def test_that_are_throttled_are_unavailable(self, gateway: Gateway, functions: FakeFunctions):
        status, _, body = await self.answer(gateway, functions, Invocation(Outcome.THROTTLED, b"{}"))
        assert (status, body) == (503, b'{"message":"Service Unavailable"}')

    async def test_that_come_too_late_are_unavailable(self, serve: Serve, functions: FakeFunctions):
        gateway = await serve(None, http_api(timeout_seconds=0.05))
        never = asyncio.get_running_loop().create_future()
        assert (await self.answer(gateway, functions, never))[0] == 503

    async def test_to_head_have_no_body(self, gateway: Gateway, functions: FakeFunctions):
        request = get("/x").replace(b"GET", b"HEAD")
        status, headers, body = await fetch(gateway, request + get("/y"), head=True)
        assert (status, headers["content-length"], body) == (200, "13", b"")

    async def test_of_204_have_no_length(self, gateway: Gateway, functions: FakeFunctions):
        status, headers, _ = await self.answer(gateway, functions, {"statusCode": 204})
        assert status == 204
        assert "content-length" not in headers


class TestRoutes:
    async def test_without_a_match_it_is_not_found(self, serve: Serve):
        gateway = await serve(None, http_api("GET /only"))
        status, headers, body = await fetch(gateway, get("/other"))
        assert (status, body) == (404, b'{"message":"Not Found"}')
        assert headers["content-type"] == "application/json"

    async def test_without_an_http_api_it_is_not_found(self, serve: Serve):
        gateway = await serve(websocket_api())
        assert (await fetch(gateway, get("/other")))[0] == 404

    async def test_the_runtimes_own_pages_come_first(self, gateway: Gateway, functions: FakeFunctions):
        for path in ("/", "/_local/stats", "/_local/stats?x=1"):
            status, headers, body = await fetch(gateway, get(path))
            assert (status, headers["content-type"], body) == (200, "text/html; charset=utf-8", b"<p>page")
        assert (await fetch(gateway, get("/").replace(b"GET", b"HEAD"), head=True))[1]["content-length"] == "7"
        assert (await fetch(gateway, post("/", b"")))[0] == 405
        assert (await fetch(gateway, get("/_local/other")))[2] == b'{"path":"/_local/other"}'
        assert len(functions.events["http"]) == 1


class TestHttp:
    async def test_a_connection_is_kept_for_more_requests(self, gateway: Gateway):
        async with raw_connection(gateway) as (reader, writer):
            for number in range(3):
                writer.write(get(f"/{number}"))
                assert orjson.loads((await read_response(reader))[2]) == {"path": f"/{number}"}

    async def test_nothing_is_delayed_to_fill_a_packet(self, gateway: Gateway):
        async with raw_connection(gateway) as (reader, writer):
            writer.write(get("/x"))
            await read_response(reader)
            (connection,) = gateway._http_connections
            raw = connection.transport.get_extra_info("socket")
            assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1

    async def test_pipelined_requests_are_answered_in_order(self, gateway: Gateway, functions: FakeFunctions):
        slow = asyncio.get_running_loop().create_future()
        functions.handlers["http"] = lambda event: slow if event["rawPath"] == "/0" else {"path": event["rawPath"]}
        async with raw_connection(gateway) as (reader, writer):
            writer.write(b"".join(get(f"/{number}") for number in range(300)) + get("/"))
            await functions.event("http")
            slow.set_result({"path": "/0"})
            for number in range(300):
                assert orjson.loads((await read_response(reader))[2]) == {"path": f"/{number}"}
            assert (await read_response(reader))[2] == b"<p>page"

    @pytest.mark.parametrize("request_text", [get("/x", "Connection: close"), get("/x").replace(b"1.1", b"1.0")])
    async def test_a_client_that_wants_the_end_gets_it(self, gateway: Gateway, request_text: bytes):
        async with raw_connection(gateway) as (reader, writer):
            writer.write(request_text)
            status, headers, _ = await read_response(reader)
            assert (status, headers["connection"]) == (200, "close")
            assert await reader.read() == b""

    async def test_chunks_make_a_body(self, gateway: Gateway, functions: FakeFunctions):
        head = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        await fetch(gateway, head + b"3\r\none\r\n4\r\n two\r\n0\r\n\r\n")
        assert (await functions.event("http"))["body"] == "one two"

    async def test_a_request_may_come_byte_by_byte(self, gateway: Gateway, functions: FakeFunctions):
        async with raw_connection(gateway) as (reader, writer):
            for byte in post("/slow?ly=1", b"body", "X-Long: value"):
                writer.write(bytes([byte]))
                await writer.drain()
            await read_response(reader)
        event = await functions.event("http")
        assert (event["rawPath"], event["body"], event["headers"]["x-long"]) == ("/slow", "body", "value")

    async def test_who_asks_first_is_told_to_continue(self, gateway: Gateway):
        async with raw_connection(gateway) as (reader, writer):
            writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"hi")
            assert (await read_response(reader))[0] == 200

    @pytest.mark.parametrize(
        "nonsense",
        [
            b"\x16\x03\x01 not http\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET /x HTTP/1.1\r\nno colon\r\n\r\n",
            b"BREW /x HTTP/1.1\r\n\r\n",
        ],
    )
    async def test_what_is_not_http_is_a_bad_request(self, gateway: Gateway, nonsense: bytes):
        async with raw_connection(gateway) as (reader, writer):
            writer.write(nonsense)
            assert (await read_response(reader))[0] == 400
            assert await reader.read() == b""

    async def test_nonsense_does_not_take_back_what_was_asked_before(self, gateway: Gateway):
        async with raw_connection(gateway) as (reader, writer):
            writer.write(get("/first") + b"nonsense\r\n\r\n")
            assert orjson.loads((await read_response(reader))[2]) == {"path": "/first"}
            assert (await read_response(reader))[0] == 400

    async def test_a_body_over_10_mb_is_too_large(self, gateway: Gateway, functions: FakeFunctions):
        functions.handlers["http"] = lambda event: len(event["body"])
        assert (await fetch(gateway, post("/x", b"x" * MAX_BODY_BYTES)))[2] == str(MAX_BODY_BYTES).encode()
        status, _, body = await fetch(gateway, post("/x", b"x" * (MAX_BODY_BYTES + 1)))
        assert (status, body) == (413, b'{"message":"Request Entity Too Large"}')
        assert len(functions.events["http"]) == 1

    @pytest.mark.parametrize("size", [10_240, 1_000_000])
    async def test_a_head_over_10_kb_is_too_large(self, gateway: Gateway, functions: FakeFunctions, size: int):
        status, _, _ = await fetch(gateway, get("/x", f"X-Long: {'x' * size}"))
        assert status == 431
        assert not functions.events

    @pytest.mark.parametrize(
        ("target", "answer"),
        [
            ("http://gateway.test/x?y", b'{"path":"/x"}'),
            ("http://gateway.test", b"<p>page"),
            ("*", b'{"path":"*"}'),
            ("http://[", b'{"message":"Bad Request"}'),
        ],
    )
    async def test_a_target_may_have_other_forms(self, gateway: Gateway, target: str, answer: bytes):
        method = b"OPTIONS" if target == "*" else b"GET"
        assert (await fetch(gateway, get(target).replace(b"GET", method)))[2] == answer

    async def test_an_upgrade_to_something_else_is_ignored(self, gateway: Gateway):
        headers = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")
        status, _, body = await fetch(gateway, get("/x", *headers))
        assert (status, body) == (200, b'{"path":"/x"}')

    async def test_an_idle_connection_is_closed(self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("local.gateway.server.KEEP_ALIVE_SECONDS", 0.0)
        gateway._sweep_often()
        async with raw_connection(gateway) as (reader, _):
            assert await reader.read() == b""

    async def test_a_client_that_leaves_is_forgotten(self, gateway: Gateway, functions: FakeFunctions):
        slow = asyncio.get_running_loop().create_future()
        functions.handlers["http"] = lambda event: slow
        async with raw_connection(gateway) as (_, writer):
            writer.write(get("/x"))
            await functions.event("http")
        slow.set_result("late")
        await gateway.close()
        assert not gateway._http_connections

    async def test_an_answer_under_way_is_given_before_the_end(self, gateway: Gateway, functions: FakeFunctions):
        slow = asyncio.get_running_loop().create_future()
        functions.handlers["http"] = lambda event: slow
        async with raw_connection(gateway) as (reader, writer):
            writer.write(get("/x"))
            await functions.event("http")
            closing = asyncio.ensure_future(gateway.close())
            await asyncio.sleep(0)
            slow.set_result("last")
            assert (await read_response(reader))[2] == b"last"
            await closing


class TestPagesOfOtherOrigins:
    ORIGIN = "Origin: https://page.example"
    ASKING = (ORIGIN, "Access-Control-Request-Method: GET")

    @staticmethod
    def options(path: str, *headers: str) -> bytes:
        return get(path, *headers).replace(b"GET", b"OPTIONS", 1)

    @pytest.mark.parametrize("path", ["/x", "/nowhere"])
    async def test_have_their_preflight_requests_answered_without_a_call(
        self, serve: Serve, functions: FakeFunctions, path: str
    ):
        gateway = await serve(None, http_api("GET /x", cors=CORS))
        status, headers, body = await fetch(gateway, self.options(path, *self.ASKING))
        assert (status, body) == (204, b"")
        assert headers["access-control-allow-origin"] == "https://page.example"
        assert headers["access-control-allow-methods"] == "GET"
        assert "apigw-requestid" in headers
        assert "http" not in functions.handlers

    @pytest.mark.parametrize(
        "headers", [(), (ORIGIN,), ("Origin: https://other.example", "Access-Control-Request-Method: GET")]
    )
    async def test_learn_nothing_if_they_may_not_or_do_not_ask(self, serve: Serve, headers: tuple[str, ...]):
        gateway = await serve(None, http_api("GET /x", cors=CORS))
        status, answered, _ = await fetch(gateway, self.options("/x", *headers))
        assert status == 204
        assert not any(name.startswith("access-control-") for name in answered)

    async def test_get_no_answer_to_a_preflight_request_without_a_configuration(self, serve: Serve):
        gateway = await serve(None, http_api("GET /x"))
        assert (await fetch(gateway, self.options("/x", *self.ASKING)))[0] == 404

    async def test_get_none_outside_a_named_stage(self, serve: Serve):
        gateway = await serve(None, http_api("GET /x", stage="prod", cors=CORS))
        assert (await fetch(gateway, self.options("/prod/x", *self.ASKING)))[0] == 204
        assert (await fetch(gateway, self.options("/x", *self.ASKING)))[0] == 404

    @pytest.mark.parametrize("key", ["$default", "ANY /x", "OPTIONS /{proxy+}"])
    async def test_are_answered_by_a_route_that_takes_options(self, serve: Serve, functions: FakeFunctions, key: str):
        functions.handlers["http"] = lambda event: {"statusCode": 200, "body": event["routeKey"]}
        gateway = await serve(None, http_api(key, cors=CORS))
        status, headers, body = await fetch(gateway, self.options("/x", *self.ASKING))
        assert (status, body) == (200, key.encode())
        assert headers["access-control-allow-methods"] == "GET"

    async def test_see_the_configured_headers_in_place_of_the_functions(self, serve: Serve, functions: FakeFunctions):
        theirs = {"Access-Control-Allow-Origin": "*", "access-control-max-age": "1", "X-Kind": "tea"}
        functions.handlers["http"] = lambda event: {"statusCode": 200, "headers": theirs, "body": ""}
        gateway = await serve(None, http_api(cors=CORS))
        _, headers, _ = await fetch(gateway, get("/x", self.ORIGIN))
        assert {name: value for name, value in headers.items() if name.startswith(("access-control-", "x-"))} == {
            "access-control-allow-origin": "https://page.example",
            "access-control-expose-headers": "etag",
            "x-kind": "tea",
        }
        _, of_no_page, _ = await fetch(gateway, get("/x"))
        assert not any(name.startswith("access-control-") for name in of_no_page)

    async def test_see_the_functions_headers_where_nothing_is_configured(
        self, gateway: Gateway, functions: FakeFunctions
    ):
        theirs = {"Access-Control-Allow-Origin": "*"}
        functions.handlers["http"] = lambda event: {"statusCode": 200, "headers": theirs, "body": ""}
        _, headers, _ = await fetch(gateway, get("/x", self.ORIGIN))
        assert headers["access-control-allow-origin"] == "*"

    async def test_can_read_inferred_answers(self, serve: Serve, functions: FakeFunctions):
        functions.handlers["http"] = lambda event: {"hello": "page"}
        gateway = await serve(None, http_api(cors=CORS))
        _, headers, body = await fetch(gateway, get("/x", self.ORIGIN))
        assert (headers["access-control-allow-origin"], body) == ("https://page.example", b'{"hello":"page"}')
