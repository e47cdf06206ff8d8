"""The workloads and their measurement, in one process and event loop of the generator.

A wrong answer, a lost connection or a missing delivery ends a measurement, because it makes the figures useless.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from benchmarks.peers.client import Address, OnMessage, RefusedError, Socket, open_socket
from benchmarks.peers.dialects import Dialect, is_right
from benchmarks.peers.documents import Document, cold_document, large_documents, small_documents
from benchmarks.peers.processes import cpu_seconds, resident_bytes

DATA_KEEPERS = ("redis", "aws", "emulator")
OPENING_AT_ONCE = 10
_LAST_SECONDS = 60.0
_SETTLE_SECONDS = 1.0
_UPDATE_BYTES = 200
_MORE_TRIES = 5
_TRY_AGAIN_SECONDS = 0.2
_ID_WITHIN_BYTES = 200


@dataclass(frozen=True, slots=True)
class Target:
    """A running server and its protocol."""

    address: Address
    dialect: Dialect
    pids: Callable[[], dict[str, list[int]]]
    """Its processes by what they are; those of DATA_KEEPERS keep its data."""
    publish: Callable[[Publisher, bytes], Awaitable[None]] | None = None
    """Publishes JSON to the topic."""
    warm_up_seconds: float = 1.0
    opening_at_once: int = OPENING_AT_ONCE
    holder: str | None = None
    """The process that holds the connections; None if all processes do that keep no data."""


@dataclass(slots=True)
class Figures:
    """The figures of a measurement. `rate`, by which peers are compared, is per second, or kilobytes for `idle`."""

    rate: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    generator_us: float | None = None
    """CPU of the generator, per answer or delivery."""
    server_us: dict[str, float] = field(default_factory=dict)
    """CPU of the server's processes, per answer or delivery."""


class MeasurementError(Exception):
    """An answer or delivery was wrong or missing."""


class Clock:
    """A clock of the CPU time of the server's processes and of this one, since its start."""

    def __init__(self, target: Target) -> None:
        self._pids = target.pids()
        self._began = {name: cpu_seconds(pids) for name, pids in self._pids.items()}
        self._own = time.process_time()
        self._at = time.perf_counter()

    def figures(self, done: int, latencies: list[float], *, seconds: float | None = None) -> Figures:
        """Return the figures of `done` answers or deliveries since the start; `seconds` replaces the elapsed time."""
        seconds = seconds or time.perf_counter() - self._at
        if not done:
            raise MeasurementError("nothing came back")
        latencies.sort()
        return Figures(
            done / seconds,
            latencies[len(latencies) // 2] * 1000,
            latencies[len(latencies) * 99 // 100] * 1000,
            (time.process_time() - self._own) / done * 1e6,
            {name: (cpu_seconds(pids) - self._began[name]) / done * 1e6 for name, pids in self._pids.items()},
        )


async def open_all(target: Target, number: int) -> list[Socket]:
    """Open connections, a few at a time, and complete the greeting of each."""
    limit = asyncio.Semaphore(target.opening_at_once)

    async def open_one() -> Socket:
        async with limit, asyncio.timeout(30):
            greeted = asyncio.get_running_loop().create_future()

            def on_message(socket: Socket, message: bytes) -> None:
                if target.dialect.greet(socket, message) and not greeted.done():
                    greeted.set_result(None)

            socket = await _try_to_open(target.address, on_message)
            if target.dialect.speaks_first:
                await greeted
            return socket

    return await asyncio.gather(*(open_one() for _ in range(number)))


async def _try_to_open(address: Address, on_message: OnMessage) -> Socket:
    """Open a connection, and retry if the server is too busy."""
    for _ in range(_MORE_TRIES):
        try:
            return await open_socket(address, on_message)
        except (RefusedError, OSError):
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
    return await open_socket(address, on_message)


def close_all(sockets: Sequence[Socket]) -> None:
    """Drop connections. Raises MeasurementError if the server closed one before."""
    lost = sum(socket.is_lost for socket in sockets)
    for socket in sockets:
        socket.close()
    if lost:
        raise MeasurementError(f"{lost} connections were lost")


# ---------------------------------------------------------------- requests and answers


class Asking:
    """A connection that requests one document after another."""

    __slots__ = ("_loop", "_number", "_socket", "asked_at", "document", "marker", "prefix")

    def __init__(self, loop: ClosedLoop, socket: Socket, number: int) -> None:
        self._loop, self._socket = loop, socket
        self.prefix, self._number = f"{number}-", count()
        socket.on_message = self.received
        self.ask()

    def ask(self) -> None:
        request_id = self.prefix + str(next(self._number))
        self.document = self._loop.next_document()
        before, after = self._loop.question(self.document)
        self.marker = f'"{request_id}"'.encode()
        self.asked_at = time.perf_counter()
        self._socket.send(before + request_id.encode() + after)

    def received(self, _socket: Socket, message: bytes) -> None:
        loop = self._loop
        if not loop.dialect.is_answer(message):
            return
        now = time.perf_counter()
        if message.find(self.marker, 0, _ID_WITHIN_BYTES) < 0 or not loop.check(message, self.document):
            loop.wrong = loop.wrong or message[:300].decode("utf-8", "replace")
            return
        loop.latencies.append(now - self.asked_at)
        if loop.is_running:
            self.ask()


class ClosedLoop:
    """Connections that each send their next request after an answer."""

    def __init__(self, dialect: Dialect, documents: Sequence[Document] | None, *, is_gzip: bool) -> None:
        self.dialect = dialect
        self.is_running = True
        self.latencies: list[float] = []
        self.wrong = ""
        self._documents = documents
        self._is_gzip = is_gzip
        self._next = 0
        self._questions: dict[Document, tuple[bytes, bytes]] = {}
        self._endings: dict[Document, bytes] = {}
        """How answers have ended that were found to be right: from their data on, which come last."""

    def next_document(self) -> Document:
        """Return the next document: from a set in turn, or one that was never requested."""
        if self._documents is None:
            return cold_document()
        self._next += 1
        return self._documents[self._next % len(self._documents)]

    def question(self, document: Document) -> tuple[bytes, bytes]:
        """See `Dialect.ask`."""
        if self._documents is None:
            return self.dialect.ask(document, is_gzip=self._is_gzip)
        if document not in self._questions:
            self._questions[document] = self.dialect.ask(document, is_gzip=self._is_gzip)
        return self._questions[document]

    def check(self, message: bytes, document: Document) -> bool:
        """Compare an answer with one known to be right; otherwise check its data."""
        ending = self._endings.get(document)
        if ending is not None and message.endswith(ending):
            return True
        if not is_right(self.dialect.read(message)[1], document, is_gzip=self._is_gzip):
            return False
        if self._documents is not None:
            self._endings[document] = message[message.index(b'"data":') :]
        return True


async def measure_requests(
    target: Target, seconds: float, *, connections: int, documents: Sequence[Document] | None, is_gzip: bool = False
) -> Figures:
    """Measure requests over connections, each of which sends its next request after an answer."""
    sockets = await open_all(target, connections)
    loop = ClosedLoop(target.dialect, documents, is_gzip=is_gzip)
    for number, socket in enumerate(sockets):
        Asking(loop, socket, number)
    await asyncio.sleep(target.warm_up_seconds)
    loop.latencies.clear()
    clock = Clock(target)
    await asyncio.sleep(seconds)
    loop.is_running = False
    figures = clock.figures(len(loop.latencies), list(loop.latencies)) if loop.latencies else None
    close_all(sockets)
    if loop.wrong:
        raise MeasurementError(f"an answer was wrong: {loop.wrong}")
    if figures is None:
        raise MeasurementError("nothing was answered")
    return figures


# ---------------------------------------------------------------- fan-out


class Publisher:
    """A persistent HTTP connection for POST requests."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, int], tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def post(self, host: str, port: int, path: str, body: bytes) -> None:
        """Send a request and wait for the response. Raises MeasurementError unless it is a success."""
        if (host, port) not in self._streams:
            self._streams[host, port] = await asyncio.open_connection(host, port)
        reader, writer = self._streams[host, port]
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        answer = await reader.readexactly(int(length)) if length else await _read_chunks(reader)
        if not head.startswith((b"http/1.1 20", b"http/1.0 20")):
            raise MeasurementError(f"publishing was refused: {answer[:200]!r}")
        if b"connection: close" in head:
            writer.close()
            del self._streams[host, port]

    def close(self) -> None:
        """Close the connections."""
        for _, writer in self._streams.values():
            writer.close()


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


class Deliveries:
    """A count of the subscribers that have received an update."""

    def __init__(self) -> None:
        self.data = b""
        self.received = 0
        self._expected = 0
        self._all: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def expect(self, data: bytes, number: int) -> asyncio.Future[float]:
        """Return the time at which the last of that many arrived."""
        self.data, self.received, self._expected = data, 0, number
        self._all = asyncio.get_running_loop().create_future()
        return self._all

    def on_message(self, _socket: Socket, message: bytes) -> None:
        """Count a message that contains the update, which a server's own messages do not."""
        if self.data in message:
            self.received += 1
            if self.received == self._expected:
                self._all.set_result(time.perf_counter())


def make_update(number: int) -> bytes:
    """Return an update of 200 bytes."""
    frame = f'{{"number":{number},"text":""}}'
    return f'{frame[:-2]}{"x" * (_UPDATE_BYTES - len(frame))}"}}'.encode()


async def subscribe_all(sockets: Sequence[Socket], subscribe: bytes, at_once: int) -> None:
    """Subscribe every connection and wait for all acknowledgements."""
    limit = asyncio.Semaphore(at_once)

    async def subscribe_one(socket: Socket) -> None:
        async with limit, asyncio.timeout(_LAST_SECONDS):
            answered = asyncio.get_running_loop().create_future()
            socket.on_message = lambda _socket, _message: None if answered.done() else answered.set_result(None)
            socket.send(subscribe)
            await answered

    await asyncio.gather(*map(subscribe_one, sockets))


async def measure_fan_out(target: Target, seconds: float, *, connections: int) -> Figures:
    """Publish updates, each after the last subscriber has received the one before."""
    assert target.publish is not None
    sockets = await open_all(target, connections)
    if (subscribe := target.dialect.subscribe()) is not None:
        await subscribe_all(sockets, subscribe, target.opening_at_once)
    deliveries, publisher = Deliveries(), Publisher()
    for socket in sockets:
        socket.on_message = deliveries.on_message

    async def publish(number: int) -> float:
        update = make_update(number)
        received = deliveries.expect(update, connections)
        began = time.perf_counter()
        publishing = asyncio.ensure_future(target.publish(publisher, update))  # type: ignore[misc] # looked at above
        try:
            ended = await asyncio.wait_for(received, _LAST_SECONDS)
            await publishing
        except TimeoutError:
            raise MeasurementError(f"{connections - deliveries.received} deliveries are missing") from None
        finally:
            publishing.cancel()
        return ended - began

    await publish(-1)
    clock, took = Clock(target), [await publish(0)]
    while sum(took) < seconds:
        took.append(await publish(len(took)))
    figures = clock.figures(connections * len(took), took, seconds=sum(took))
    publisher.close()
    close_all(sockets)
    return figures


# ---------------------------------------------------------------- idle connections


async def measure_idle(target: Target, _seconds: float, *, connections: int) -> Figures:
    """Return the kilobytes of an idle connection, without the processes that keep data."""
    close_all(await open_all(target, 20))
    await asyncio.sleep(_SETTLE_SECONDS)
    before = _resident(target)
    sockets = await open_all(target, connections)
    await asyncio.sleep(_SETTLE_SECONDS)
    after = _resident(target)
    close_all(sockets)
    return Figures((after - before) / connections / 1024)


def _resident(target: Target) -> int:
    pids = target.pids()
    names = [target.holder] if target.holder else [name for name in pids if name not in DATA_KEEPERS]
    return sum(resident_bytes(pids[name]) for name in names)


Measure = Callable[[Target, float], Coroutine[Any, Any, Figures]]


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload: its name, figure, unit and measurement."""

    name: str
    title: str
    unit: str
    measure: Measure
    is_less_better: bool = False


def _requests(connections: int, documents: Callable[[], Sequence[Document] | None], **options: Any) -> Measure:  # noqa: ANN401
    return lambda target, seconds: measure_requests(
        target, seconds, connections=connections, documents=documents(), **options
    )


def _of(measure: Callable[..., Coroutine[Any, Any, Figures]], connections: int) -> Measure:
    return lambda target, seconds: measure(target, seconds, connections=connections)


WORKLOADS = (
    Workload("hit", "100 connections, 500 bytes", "answers/s", _requests(100, small_documents)),
    Workload("hit-large", "20 connections, 100 KB", "answers/s", _requests(20, large_documents)),
    Workload("hit-gzip", "20 connections, 100 KB as gzip", "answers/s", _requests(20, large_documents, is_gzip=True)),
    Workload("miss", "100 connections, every key cold", "answers/s", _requests(100, lambda: None)),
    Workload("fan-out-1000", "200 bytes to 1,000", "deliveries/s", _of(measure_fan_out, 1000)),
    Workload("fan-out-5000", "200 bytes to 5,000", "deliveries/s", _of(measure_fan_out, 5000)),
    Workload("idle", "memory of 2,000 idle connections", "kB each", _of(measure_idle, 2000), is_less_better=True),
)
