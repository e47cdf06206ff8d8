"""How a connection sends: what is posted in one turn of the event loop goes out together, and in order."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from websockets.asyncio.client import ClientConnection
from websockets.protocol import State

from pushaside.connection import Connection

FRAME_BYTES = 32 * 1024


class Wire:
    """Stands for a WebSocket, its protocol and its transport: what is written, by system calls."""

    def __init__(self) -> None:
        self.state = State.OPEN
        self.protocol = self.transport = self
        self.calls: list[list[bytes]] = []
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self.buffered = 0
        self._pending: list[bytes] = []

    def send_text(self, message: bytes) -> None:
        self._pending.append(message)

    def data_to_send(self) -> list[bytes]:
        taken, self._pending = self._pending, []
        return taken

    def writelines(self, messages: list[bytes]) -> None:
        self.calls.append(messages)

    def get_write_buffer_size(self) -> int:
        return self.buffered

    async def send(self, message: bytes, *, text: bool) -> None:
        assert text
        self.send_text(message)
        self.writelines(self.data_to_send())

    async def recv(self, *, decode: bool) -> bytes:
        assert not decode
        return await self.incoming.get()

    async def close(self) -> None:
        self.state = State.CLOSED


def made() -> tuple[Wire, Connection]:
    wire = Wire()
    return wire, Connection(cast(ClientConnection, cast(Any, wire)))


def post(connection: Connection, *messages: bytes) -> None:
    for message in messages:
        connection.post(message, FRAME_BYTES)


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_message_alone_is_sent_at_once() -> None:
    wire, connection = made()
    await turns()
    post(connection, b"1")
    assert wire.calls == [[b"1"]]
    await connection.close()


async def test_messages_of_one_turn_are_sent_in_order_by_two_calls() -> None:
    wire, connection = made()
    await turns()
    post(connection, b"1", b"2", b"3")
    await turns()
    assert wire.calls == [[b"1"], [b"2", b"3"]]
    await connection.close()


async def test_after_something_came_a_message_is_sent_at_once_again() -> None:
    wire, connection = made()
    heard = asyncio.Event()
    listening = asyncio.create_task(connection.listen(lambda _message: heard.set()))
    await turns()
    post(connection, b"1")
    wire.incoming.put_nowait(b"answer")
    await heard.wait()
    post(connection, b"2")
    assert wire.calls == [[b"1"], [b"2"]]
    listening.cancel()
    await asyncio.wait({listening})
    await connection.close()


async def test_a_turn_does_not_pile_up_more_than_64_kilobytes() -> None:
    wire, connection = made()
    await turns()
    post(connection, b"first", *[b"x" * 15_000] * 6)
    assert [len(call) for call in wire.calls] == [1, 5]
    await turns()
    assert [len(call) for call in wire.calls] == [1, 5, 1]
    await connection.close()


async def test_what_has_to_wait_for_the_socket_comes_after_what_was_posted_before() -> None:
    wire, connection = made()
    await turns()
    post(connection, b"1", b"2")
    wire.buffered = 1
    post(connection, b"3")
    wire.buffered = 0
    post(connection, b"4")
    await turns(5)
    assert [message for call in wire.calls for message in call] == [b"1", b"2", b"3", b"4"]
    await connection.close()


async def test_nothing_is_written_once_it_is_closed() -> None:
    wire, connection = made()
    await turns()
    post(connection, b"1", b"2")
    wire.state = State.CLOSING
    await turns()
    assert wire.calls == [[b"1"]]
    await connection.close()
