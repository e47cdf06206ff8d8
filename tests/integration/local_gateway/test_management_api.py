"""`@connections`, as boto3's own client and as bytes on the wire."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from local.gateway.api import Limits
from local.gateway.server import Gateway
from tests.integration.local_gateway.fake_functions import FakeFunctions
from tests.integration.local_gateway.served_gateways import Serve, raw_connection, raw_websocket, url, websocket_api

UNKNOWN = "BFaT_fALIAMCKug="
SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential=id/20261121/us-east-1/execute-api/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=0000"
)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Any]:
    client = management_client(gateway)
    yield client
    client.close()


def management_client(gateway: Gateway) -> Any:
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url="http://{}:{}/v1".format(*gateway.address),
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )


async def connection_id(functions: FakeFunctions) -> str:
    return (await functions.event("connect"))["requestContext"]["connectionId"]


async def request(gateway: Gateway, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Send one request and return the whole response."""
    async with raw_connection(gateway) as (reader, writer):
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return await reader.read()


class TestBoto3:
    async def test_post_sends_the_client_a_text_message(self, gateway: Gateway, client, functions: FakeFunctions):
        async with connect(url(gateway)) as socket:
            answer = await asyncio.to_thread(
                client.post_to_connection, ConnectionId=await connection_id(functions), Data="grüße".encode()
            )
            assert await socket.recv() == "grüße"
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert answer["ResponseMetadata"]["RequestId"]
        assert gateway.pushes == {200: 1}
        assert gateway.messages_out == 1

    async def test_get_tells_of_the_connection(self, gateway: Gateway, client, functions: FakeFunctions):
        async with connect(url(gateway), user_agent_header="agent") as socket:
            await socket.send("x")
            await socket.recv()
            answer = await asyncio.to_thread(client.get_connection, ConnectionId=await connection_id(functions))
        connected_ms = (await functions.event("connect"))["requestContext"]["connectedAt"]
        assert answer["ConnectedAt"] == dt.datetime.fromtimestamp(connected_ms / 1000, dt.UTC)
        assert answer["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "agent"}
        age = answer["LastActiveAt"] - answer["ConnectedAt"]
        assert dt.timedelta(0) <= age < dt.timedelta(seconds=5)

    async def test_delete_closes_the_connection(self, gateway: Gateway, client, functions: FakeFunctions):
        async with connect(url(gateway)) as socket:
            answer = await asyncio.to_thread(client.delete_connection, ConnectionId=await connection_id(functions))
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1000
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        context = (await functions.event("disconnect"))["requestContext"]
        assert context["disconnectStatusCode"] == 1000
        assert context["disconnectReason"] == "Connection Closed Normally"

    @pytest.mark.parametrize("operation", ["post_to_connection", "get_connection", "delete_connection"])
    async def test_an_unknown_connection_is_gone(self, gateway: Gateway, client, operation: str):
        data = {"Data": b"x"} if operation == "post_to_connection" else {}
        with pytest.raises(client.exceptions.GoneException) as gone:
            await asyncio.to_thread(getattr(client, operation), ConnectionId=UNKNOWN, **data)
        assert gone.value.response["ResponseMetadata"]["HTTPStatusCode"] == 410

    async def test_a_closed_connection_is_gone_at_once(self, gateway: Gateway, client, functions: FakeFunctions):
        async with raw_websocket(gateway):  # which does not answer the close
            closed = await connection_id(functions)
            await asyncio.to_thread(client.delete_connection, ConnectionId=closed)
            with pytest.raises(client.exceptions.GoneException):
                await asyncio.to_thread(client.post_to_connection, ConnectionId=closed, Data=b"x")
        assert gateway.pushes == {410: 1}

    async def test_while_connect_runs_the_connection_is_gone(self, gateway, client, functions: FakeFunctions):
        ended = asyncio.get_running_loop().create_future()
        functions.handlers["connect"] = lambda event: ended
        opening = asyncio.ensure_future(connect(url(gateway)).__aenter__())
        early = await connection_id(functions)
        with pytest.raises(client.exceptions.GoneException):
            await asyncio.to_thread(client.post_to_connection, ConnectionId=early, Data=b"x")
        ended.set_result({"statusCode": 200})
        socket = await opening
        await asyncio.to_thread(client.post_to_connection, ConnectionId=early, Data=b"x")
        assert await socket.recv() == "x"
        await socket.close()

    @pytest.mark.parametrize("malformed", ["x", "a" * 16, "BFaT_fALIAMCKu==", "BFaT/fALIAMCKug=", "%"])
    async def test_a_malformed_id_is_a_bad_request(self, gateway: Gateway, client, malformed: str):
        with pytest.raises(ClientError) as refused:
            await asyncio.to_thread(client.post_to_connection, ConnectionId=malformed, Data=b"x")
        error = refused.value.response["Error"]
        assert error["Code"] == "BadRequestException"
        assert error["Message"].startswith("Invalid connectionId: ")

    async def test_the_largest_message_passes_and_a_byte_more_does_not(self, gateway, client, functions):
        async with connect(url(gateway)) as socket:
            target = await connection_id(functions)
            await asyncio.to_thread(client.post_to_connection, ConnectionId=target, Data=b"x" * 131_072)
            assert len(await socket.recv()) == 131_072
            with pytest.raises(client.exceptions.PayloadTooLargeException) as refused:
                await asyncio.to_thread(client.post_to_connection, ConnectionId=target, Data=b"x" * 131_073)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
        assert gateway.pushes == {200: 1, 413: 1}

    async def test_a_full_buffer_is_a_limit_exceeded(self, serve: Serve, functions: FakeFunctions):
        gateway = await serve(websocket_api(), None, Limits(outgoing_buffer_bytes=256 * 1024))
        client = management_client(gateway)
        async with raw_websocket(gateway):  # which does not read
            target = await connection_id(functions)

            def flood() -> None:
                for _ in range(500):
                    client.post_to_connection(ConnectionId=target, Data=b"x" * 131_072)

            with pytest.raises(client.exceptions.LimitExceededException) as refused:
                await asyncio.to_thread(flood)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert gateway.pushes[429] == 1
        client.close()

    async def test_what_is_not_utf_8_does_not_harm_the_client(self, gateway, client, functions: FakeFunctions):
        async with connect(url(gateway)) as socket:
            target = await connection_id(functions)
            await asyncio.to_thread(client.post_to_connection, ConnectionId=target, Data=b"\xff!")
            assert await socket.recv() == "\ufffd!"


class TestOnTheWire:
    @pytest.mark.parametrize("marker", ["@connections", "%40connections"])
    @pytest.mark.parametrize("escape", [True, False])
    async def test_the_path_may_be_escaped_or_not(self, gateway, functions: FakeFunctions, marker: str, escape: bool):
        async with connect(url(gateway)) as socket:
            target = await connection_id(functions)
            path = f"/v1/{marker}/{target.replace('=', '%3D') if escape else target}"
            response = await request(gateway, "POST", path, {"Authorization": SIGNATURE}, b"hi")
            assert response.startswith(b"HTTP/1.1 200 OK\r\n")
            assert response.endswith(b"\r\n\r\n")
            assert await socket.recv() == "hi"

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer token"},
            {"Authorization": SIGNATURE.replace("execute-api", "sqs")},
            {"Authorization": SIGNATURE.replace("Signature", "Sig")},
        ],
    )
    @pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
    async def test_without_a_signature_it_is_forbidden(self, gateway, functions: FakeFunctions, method, headers):
        async with connect(url(gateway)):
            path = f"/v1/@connections/{await connection_id(functions)}"
            response = await request(gateway, method, path, headers)
            assert response.startswith(b"HTTP/1.1 403 ")
            assert gateway.connections == 1

    async def test_gone_has_its_name_in_a_header_and_no_body(self, gateway: Gateway):
        path = f"/v1/@connections/{UNKNOWN}"
        response = await request(gateway, "POST", path, {"Authorization": SIGNATURE}, b"x")
        head, _, body = response.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 410 Gone\r\n")
        assert b"x-amzn-ErrorType: GoneException" in head
        assert body == b""

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS"])
    async def test_other_methods_are_refused(self, gateway: Gateway, functions: FakeFunctions, method: str):
        async with connect(url(gateway)):
            path = f"/v1/@connections/{await connection_id(functions)}"
            response = await request(gateway, method, path, {"Authorization": SIGNATURE})
        assert response.startswith(b"HTTP/1.1 403 ")

    async def test_pipelined_posts_are_answered_and_delivered_in_order(self, gateway, functions: FakeFunctions):
        async with connect(url(gateway)) as socket, raw_connection(gateway) as (reader, writer):
            target = await connection_id(functions)
            posts = b""
            for number in range(100):
                body = b"%d" % number
                head = f"POST /v1/@connections/{target} HTTP/1.1\r\nHost: x\r\nAuthorization: {SIGNATURE}\r\n"
                posts += head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
            writer.write(posts)
            for number in range(100):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
                assert await socket.recv() == str(number)

    async def test_a_signature_by_the_library_is_taken(self, gateway: Gateway, functions: FakeFunctions):
        async with connect(url(gateway)) as socket:
            path = f"/v1/@connections/{await connection_id(functions)}"
            signed = AWSRequest("POST", "http://{}:{}".format(*gateway.address) + path, data=b"signed")
            SigV4Auth(Credentials("id", "key"), "execute-api", "eu-west-1").add_auth(signed)
            assert (await request(gateway, "POST", path, dict(signed.headers), b"signed")).startswith(b"HTTP/1.1 200 ")
            assert await socket.recv() == "signed"
