"""The embedded AWS reads HTTP/1.1 requests, and frames the application's answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from local.embedded.asgi_server import Application, HttpConnection, Message, Receive, Send, serve

GET = b"GET /a%20b?c=d HTTP/1.1\r\nHost: here\r\nX-Amz-Target: Do\r\n\r\n"


@asynccontextmanager
async def connected(application: Application) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpConnection(application), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield reader, writer
    writer.close()
    server.close()


async def exchange(application: Application, request: bytes) -> bytes:
    """Send a request, and return what comes until the server closes."""
    async with connected(application) as (reader, writer):
        writer.write(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        return await reader.read()


def answering(*pieces: bytes, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Application:
    async def application(_scope: Message, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for number, piece in enumerate(pieces, start=1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})

    return application


class Echo:
    """Answers with the body, and notes the scopes."""

    def __init__(self) -> None:
        self.scopes: list[Message] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        message = await receive()
        assert not message["more_body"]
        await answering(message["body"])(scope, receive, send)


async def test_the_application_sees_the_parts_of_a_request() -> None:
    echo = Echo()
    await exchange(echo, GET)
    (scope,) = echo.scopes
    assert (scope["method"], scope["path"], scope["raw_path"], scope["query_string"]) == (
        "GET",
        "/a b",
        b"/a%20b",
        b"c=d",
    )
    assert dict(scope["headers"]) == {b"host": b"here", b"x-amz-target": b"Do", b"connection": b"close"}


@pytest.mark.parametrize(
    ("request_bytes", "body"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", b"body"),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n", b"body"),
        (b"GET / HTTP/1.1\r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", b""),
    ],
)
async def test_the_application_gets_the_whole_body_at_once(request_bytes: bytes, body: bytes) -> None:
    answer = await exchange(Echo(), request_bytes)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"content-length: %d\r\n\r\n%b" % (len(body), body))


@pytest.mark.parametrize(
    ("application", "rest"),
    [
        (answering(b"one"), b"content-length: 3\r\n\r\none"),
        (answering(b"one", headers=((b"Content-Length", b"3"),)), b"Content-Length: 3\r\nconnection: close\r\n\r\none"),
        (answering(b"one", b"", b"two"), b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
        (answering(b"one", b""), b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"),
        (answering(b"o", b"ne", headers=((b"Content-Length", b"3"),)), b"connection: close\r\n\r\none"),
        (answering(b"", status=204), b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"),
    ],
)
async def test_an_answer_tells_where_its_body_ends(application: Application, rest: bytes) -> None:
    assert (await exchange(application, GET)).endswith(rest)


async def test_the_answer_to_head_has_the_length_but_no_body() -> None:
    application = answering(b"", headers=((b"content-length", b"1000"),))
    answer = await exchange(application, b"HEAD / HTTP/1.1\r\n\r\n")
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n"


async def test_a_client_that_waits_with_its_body_is_told_to_send_it() -> None:
    async with connected(Echo()) as (reader, writer):
        writer.write(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        assert (await reader.readuntil(b"body")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_requests_of_a_connection_are_answered_in_their_order() -> None:
    first = asyncio.Event()

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/1":
            await first.wait()
        await answering(scope["raw_path"])(scope, receive, send)

    async with connected(application) as (reader, writer):
        writer.write(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        await writer.drain()
        first.set()
        assert (await reader.readuntil(b"/2")).count(b"HTTP/1.1 200 OK") == 2
        writer.write(b"GET /3 HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"/3")


async def _fail(_scope: Message, _receive: Receive, _send: Send) -> None:
    raise ValueError


async def _fail_late(_scope: Message, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": ()})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    raise ValueError


async def test_a_failure_of_the_application_is_an_answer_too() -> None:
    async with connected(_fail) as (reader, writer):
        writer.write(GET)
        assert (await reader.read()).startswith(b"HTTP/1.1 500 ")


async def test_an_answer_that_breaks_off_ends_the_connection() -> None:
    async with connected(_fail_late) as (reader, writer):
        writer.write(GET)
        assert (await reader.read()).endswith(b"\r\n\r\n3\r\none\r\n")


async def test_what_is_no_request_is_refused() -> None:
    async with connected(Echo()) as (reader, writer):
        writer.write(b"hello\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


async def test_the_application_is_told_that_the_client_has_gone() -> None:
    gone = asyncio.get_running_loop().create_future()

    async def application(_scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": ()})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await receive()
        gone.set_result(await receive())

    async with connected(application) as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"one")
    assert (await gone)["type"] == "http.disconnect"


async def _refuse(_scope: Message, receive: Receive, send: Send) -> None:
    await send({"type": f"{(await receive())['type']}.failed"})


@pytest.mark.parametrize(("application", "error"), [(_refuse, RuntimeError), (_fail, ValueError)])
async def test_an_application_that_cannot_start_is_not_served(application: Application, error: type[Exception]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(error):
        await serve(application, listener)
