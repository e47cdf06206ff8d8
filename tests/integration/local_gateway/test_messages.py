"""Messages: the route they take, the event they become, and what the client gets back."""

from __future__ import annotations

import asyncio
import re

import orjson
import pytest
from websockets.asyncio.client import connect

from local.functions.invocation import Invocation, Outcome
from local.gateway.api import FunctionIntegration, Limits, MockIntegration, WebSocketRoute
from local.gateway.server import Gateway
from tests.integration.local_gateway.fake_functions import FakeFunctions
from tests.integration.local_gateway.served_gateways import Serve, frame, raw_websocket, read_frame, url, websocket_api

ID = "[A-Za-z0-9_-]{15}="


def error_frame(message: str) -> str:
    return rf'\{{"message": "{message}", "connectionId":"{ID}", "requestId":"{ID}"\}}'


async def test_the_event_of_a_message_is_api_gateways(gateway: Gateway, functions: FakeFunctions):
    async with connect(url(gateway), user_agent_header="agent") as client:
        await client.send('{"action":"héllo"}')
        event = await functions.event("echo")
    connected = (await functions.event("connect"))["requestContext"]
    assert set(event) == {"requestContext", "body", "isBase64Encoded"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"action":"héllo"}', False)
    context = event["requestContext"]
    assert set(context) == connected.keys() | {"messageId"}
    assert (context["routeKey"], context["eventType"], context["messageDirection"]) == ("$default", "MESSAGE", "IN")
    for name in ("connectionId", "connectedAt", "identity", "domainName", "stage", "apiId"):
        assert context[name] == connected[name]
    assert context["requestId"] == context["extendedRequestId"] != connected["requestId"]
    assert re.fullmatch(ID, context["messageId"])
    assert re.fullmatch(ID, context["requestId"])


async def test_the_body_of_the_answer_is_sent_as_it_is(gateway: Gateway):
    async with connect(url(gateway)) as client:
        for text in ('{"action":"x"}', "not json", "[]", "", "ünï©ode 🎈", "\x00\x1f"):
            await client.send(text)
            if text:  # an empty body is no answer
                assert await client.recv() == text


async def test_only_a_route_with_a_response_answers(gateway: Gateway, functions: FakeFunctions):
    async with connect(url(gateway)) as client:
        await client.send('{"action":"one_way"}')
        await functions.event("echo")
        await client.send('{"action":"ping"}')
        assert await client.recv() == '{"type":"pong"}'
    assert functions.events["echo"][0]["requestContext"]["routeKey"] == "one_way"


@pytest.mark.parametrize("status", [301, 401, 501])
async def test_the_status_of_an_answer_has_no_effect(gateway: Gateway, functions: FakeFunctions, status: int):
    functions.handlers["echo"] = lambda event: {"statusCode": status, "body": "answer"}
    async with connect(url(gateway)) as client:
        await client.send("x")
        assert await client.recv() == "answer"


async def test_without_a_route_and_a_default_it_is_forbidden(serve: Serve):
    gateway = await serve(websocket_api(default=None))
    async with connect(url(gateway)) as client:
        await client.send('{"action":"nothing"}')
        assert re.fullmatch(error_frame("Forbidden"), await client.recv())
        await client.send('{"action":"ping"}')
        assert await client.recv() == '{"type":"pong"}'


@pytest.mark.parametrize("key", ["$connect", "$disconnect", "$default"])
async def test_no_message_can_ask_for_a_route_of_api_gateways_own(serve: Serve, functions: FakeFunctions, key: str):
    gateway = await serve(websocket_api(default=None))
    async with connect(url(gateway)) as client:
        await client.send(orjson.dumps({"action": key}).decode())
        assert re.fullmatch(error_frame("Forbidden"), await client.recv())
    assert len(functions.events["connect"]) == 1


@pytest.mark.parametrize(
    "invocation",
    [
        Invocation(Outcome.RAISED, b'{"errorMessage":"x"}'),
        Invocation(Outcome.TIMED_OUT, b'{"errorMessage":"Task timed out"}'),
        Invocation(Outcome.THROTTLED, b'{"errorMessage":"Rate exceeded"}'),
        Invocation(Outcome.RETURNED, b"null"),
        Invocation(Outcome.RETURNED, b"not json"),
        Invocation(Outcome.RETURNED, b'{"statusCode":200,"body":{"not":"text"}}'),
        Invocation(Outcome.RETURNED, b'{"statusCode":200,"body":"%b"}' % (b"x" * (128 * 1024 + 1))),
    ],
)
async def test_a_function_that_fails_is_an_internal_error(gateway, functions: FakeFunctions, invocation):
    functions.handlers["echo"] = lambda event: invocation
    async with connect(url(gateway)) as client:
        await client.send("x")
        assert re.fullmatch(error_frame("Internal server error"), await client.recv())
        await client.send('{"action":"ping"}')
        assert await client.recv() == '{"type":"pong"}'


async def test_the_error_frame_names_the_connection_and_the_request(gateway: Gateway, functions: FakeFunctions):
    functions.handlers["echo"] = lambda event: Invocation(Outcome.RAISED, b"{}")
    async with connect(url(gateway)) as client:
        await client.send("x")
        error = orjson.loads(await client.recv())
    context = (await functions.event("echo"))["requestContext"]
    assert error["connectionId"] == context["connectionId"]
    assert error["requestId"] == context["requestId"]


async def test_a_function_that_fails_is_told_of_on_a_one_way_route_too(gateway: Gateway, functions: FakeFunctions):
    functions.handlers["echo"] = lambda event: Invocation(Outcome.RAISED, b"{}")
    async with connect(url(gateway)) as client:
        await client.send('{"action":"one_way"}')
        assert re.fullmatch(error_frame("Internal server error"), await client.recv())


async def test_past_the_integration_timeout_the_endpoint_timed_out(serve: Serve, functions: FakeFunctions):
    slow = WebSocketRoute("$default", FunctionIntegration("echo", timeout_seconds=0.05), has_response=True)
    gateway = await serve(websocket_api(default=slow))
    late = asyncio.get_running_loop().create_future()
    functions.handlers["echo"] = lambda event: late
    async with connect(url(gateway)) as client:
        await client.send("x")
        assert re.fullmatch(error_frame("Endpoint request timed out"), await client.recv())
        late.set_result({"statusCode": 200, "body": "too late"})
        await client.send('{"action":"ping"}')
        assert await client.recv() == '{"type":"pong"}'


async def test_messages_of_one_connection_do_not_wait_for_each_other(gateway: Gateway, functions: FakeFunctions):
    slow = asyncio.get_running_loop().create_future()
    functions.handlers["echo"] = lambda event: (
        slow if event["body"] == "slow" else {"statusCode": 200, "body": event["body"]}
    )
    async with connect(url(gateway)) as client:
        await client.send("slow")
        await client.send("fast")
        assert await client.recv() == "fast"
        slow.set_result({"statusCode": 200, "body": "slow"})
        assert await client.recv() == "slow"


async def test_an_answer_after_the_end_is_dropped(gateway: Gateway, functions: FakeFunctions):
    answer = asyncio.get_running_loop().create_future()
    functions.handlers["echo"] = lambda event: answer
    async with connect(url(gateway)) as client:
        await client.send("x")
        await functions.event("echo")
    await functions.event("disconnect")
    answer.set_result({"statusCode": 200, "body": "late"})
    async with connect(url(gateway)) as client:
        await client.send('{"action":"ping"}')
        assert await client.recv() == '{"type":"pong"}'
    assert gateway.messages_out == 1


async def test_a_mock_answers_from_its_template(serve: Serve, functions: FakeFunctions):
    mock = MockIntegration('{"id":"$context.connectionId","ip":"${context.identity.sourceIp}","no":"$context.nothing"}')
    gateway = await serve(websocket_api(whoami=WebSocketRoute("whoami", mock, has_response=True)))
    async with connect(url(gateway)) as client:
        await client.send('{"action":"whoami"}')
        answer = orjson.loads(await client.recv())
    connection_id = (await functions.event("connect"))["requestContext"]["connectionId"]
    assert answer == {"id": connection_id, "ip": "127.0.0.1", "no": ""}


async def test_a_mock_without_a_response_or_a_template_is_silent(serve: Serve):
    one_way = WebSocketRoute("one_way", MockIntegration("never"), has_response=False)
    blank = WebSocketRoute("blank", MockIntegration(None), has_response=True)
    gateway = await serve(websocket_api(one_way=one_way, blank=blank))
    async with connect(url(gateway)) as client:
        await client.send('{"action":"one_way"}')
        await client.send('{"action":"blank"}')
        await client.send('{"action":"ping"}')
        assert await client.recv() == '{"type":"pong"}'


async def test_an_expression_may_join_several_paths(serve: Serve, functions: FakeFunctions):
    api = websocket_api()
    routes = {**api.routes, "a/b": WebSocketRoute("a/b", FunctionIntegration("echo"), has_response=True)}
    api = type(api)(api.api_id, api.stage, "${request.body.service}/${request.body.do.what}", routes)
    gateway = await serve(api)
    async with connect(url(gateway)) as client:
        await client.send('{"service":"a","do":{"what":"b"}}')
        await client.recv()
    assert functions.events["echo"][0]["requestContext"]["routeKey"] == "a/b"


async def test_a_long_answer_comes_in_frames_of_32_kb(gateway: Gateway):
    text = b"x" * (70 * 1024)
    async with raw_websocket(gateway) as (reader, writer):
        for start in range(0, len(text), 32 * 1024):
            piece = text[start : start + 32 * 1024]
            writer.write(frame(0 if start else 1, piece, fin=start + 32 * 1024 >= len(text)))
        frames = [await read_frame(reader) for _ in range(3)]
    assert [(opcode, fin, len(payload)) for opcode, fin, payload in frames] == [
        (1, False, 32 * 1024),
        (0, False, 32 * 1024),
        (0, True, 6 * 1024),
    ]
    assert b"".join(payload for _, _, payload in frames) == text


async def test_a_message_of_the_largest_size_goes_both_ways(gateway: Gateway):
    text = "é" * (64 * 1024)
    pieces = [text[start : start + 16 * 1024] for start in range(0, len(text), 16 * 1024)]
    async with connect(url(gateway)) as client:
        await client.send(pieces)
        assert await client.recv() == text


async def test_many_frames_in_one_read_and_one_frame_in_many(gateway: Gateway):
    burst = b"".join(frame(1, b"%d" % number) for number in range(200))
    async with raw_websocket(gateway) as (reader, writer):
        writer.write(burst)
        answers = [await read_frame(reader) for _ in range(200)]
        assert sorted(int(payload) for _, _, payload in answers) == list(range(200))
        for byte in frame(1, b"drop by drop"):
            writer.write(bytes([byte]))
            await writer.drain()
        assert await read_frame(reader) == (1, True, b"drop by drop")


async def test_control_frames_may_come_between_fragments(gateway: Gateway):
    async with raw_websocket(gateway) as (reader, writer):
        writer.write(frame(1, b"one ", fin=False) + frame(9, b"still there?") + frame(0, b"two"))
        assert await read_frame(reader) == (10, True, b"still there?")
        assert await read_frame(reader) == (1, True, b"one two")


async def test_the_counters_tell_what_went_through(gateway: Gateway):
    async with connect(url(gateway)) as client, connect(url(gateway)):
        await client.send('{"action":"ping"}')
        await client.recv()
        await client.send('{"action":"one_way"}')
        await client.send("x")
        await client.recv()
        assert (gateway.connections, gateway.messages_in, gateway.messages_out) == (2, 3, 2)
    assert gateway.pushes == {}


async def test_a_client_that_does_not_read_is_not_read_from(serve: Serve, functions: FakeFunctions):
    answer = "x" * (100 * 1024)
    functions.handlers["echo"] = lambda event: {"statusCode": 200, "body": answer}
    gateway = await serve(websocket_api(), None, Limits())
    asked = 2_000
    async with raw_websocket(gateway) as (reader, writer):
        writer.write(frame(1, b"x") * asked)
        while True:  # until the gateway has stopped taking messages in
            taken = gateway.messages_in
            for _ in range(200):
                await asyncio.sleep(0)
            if taken == gateway.messages_in and taken > 0:
                break
        received = 0
        while received < asked * len(answer):
            received += len(await reader.read(2**20))
    assert gateway.messages_out == asked
