"""HTTP requests to hosts that callers name, over connections to checked addresses only.

A request resolves its host once. All addresses must be allowed, and the client connects to one of these addresses, so
a name that changes a moment later (DNS rebinding) has no effect. TLS and the `Host` header use the name.

The client follows no redirects, decodes and keeps no bodies, and ignores the environment's proxies. It never reuses a
connection: after a freeze a connection may be dead, and a request that may have arrived must not be sent again.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httptools

from push.durable.ports import WebhookAnswer
from push.durable.webhook_targets import WebhookUrl, check_address
from push.errors import RequestError

TOTAL_SECONDS = 15.0
MAX_BODY_BYTES = 64 * 1024

_CONNECT_SECONDS = 5.0
_BODY_SECONDS = 1.0
"""Time limit to read the rest of an answer once its status is known; the rest does not affect the outcome."""

_MAX_HEAD_BYTES = 64 * 1024
_MAX_ADDRESSES = 4
_READ_BYTES = 16 * 1024

# A name server that does not answer blocks a thread for longer than the request that waits for it. So lookups have
# threads of their own, more than there are concurrent requests, and no request waits for another's lookup.
_RESOLVER_THREADS = 32

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Resolver:
    """The system's resolver, on its own threads."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a host as text. Raises OSError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, _look_up, host, port)


def _look_up(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _UnansweredError(Exception):
    """The receiver gave no usable answer; the tenant may see the sentence."""


class _AnswerParser:
    """Parser of an answer: its status, its `Retry-After` and its end."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body_bytes = 0
        self._read_bytes = 0
        self.status: int | None = None
        self.retry_after = ""
        self.is_complete = False

    def feed(self, data: bytes) -> None:
        self._read_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            if self.status is None:
                raise _UnansweredError("The answer is not HTTP/1.1.") from exc
            self.is_complete = True
        if self.status is None and self._read_bytes > _MAX_HEAD_BYTES:
            raise _UnansweredError("The answer's head is too long.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self.retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        # An informational answer is followed by another one (RFC 9110, 15.2).
        if status >= 200:
            self.status = status

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes >= MAX_BODY_BYTES:
            self.is_complete = True

    def on_message_complete(self) -> None:
        self.is_complete = self.status is not None


class HttpWebhookClient:
    """`push.durable.ports.WebhookClient` over HTTP/1.1.

    Args:
        allow_private: whether to connect to any address; for development only.
        tls: verifies receivers; by default with the system's authorities.
        resolve: returns the addresses of a host.
        total_seconds: the limit of a whole request.

    """

    def __init__(
        self,
        *,
        allow_private: bool,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._allow_private = allow_private
        self._tls = tls or ssl.create_default_context()
        self._resolve = resolve or Resolver()
        self._total_seconds = total_seconds

    async def post(self, url: WebhookUrl, headers: Mapping[str, str], body: bytes) -> WebhookAnswer:
        """See `WebhookClient.post`."""
        try:
            async with asyncio.timeout(self._total_seconds):
                return await self._post(url, _head(url, headers, len(body)) + body)
        except TimeoutError:
            return WebhookAnswer(error=f"No answer within {self._total_seconds:g} seconds.")
        except _UnansweredError as exc:
            return WebhookAnswer(error=str(exc))
        except ssl.SSLError as exc:
            return WebhookAnswer(error=f"TLS failed: {exc.reason or type(exc).__name__}.")
        except OSError:
            return WebhookAnswer(error="The connection was lost before an answer came.")

    async def _post(self, url: WebhookUrl, request: bytes) -> WebhookAnswer:
        reader, writer = await self._connect(url, await self._vetted_addresses(url))
        parser = _AnswerParser()
        try:
            # Without drain: a receiver may answer before it has read the whole request.
            writer.write(request)
            await _read_status(reader, parser)
            await _read_rest(reader, parser)
        finally:
            # Nothing that is still to be sent or read matters any more.
            writer.transport.abort()
        return WebhookAnswer(parser.status, parser.retry_after)

    async def _vetted_addresses(self, url: WebhookUrl) -> Sequence[str]:
        try:
            addresses = [url.host] if _is_address(url.host) else await self._resolve(url.host, url.port)
        except OSError as exc:
            raise _UnansweredError("The host's name was not found.") from exc
        if not self._allow_private:
            for address in addresses:
                try:
                    check_address(address)
                except RequestError as exc:
                    raise _UnansweredError(exc.message) from exc
        return addresses[:_MAX_ADDRESSES]

    async def _connect(
        self, url: WebhookUrl, addresses: Sequence[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for address in addresses:
            # Connect by address. Only TLS uses the name (RFC 6066 server name, and the certificate).
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(
                        address,
                        url.port,
                        ssl=self._tls if url.is_tls else None,
                        server_hostname=url.host if url.is_tls else None,
                    )
            except ssl.SSLError:
                raise
            except OSError:
                continue
        raise _UnansweredError("No connection could be made.")


async def _read_status(reader: asyncio.StreamReader, parser: _AnswerParser) -> None:
    while parser.status is None:
        data = await reader.read(_READ_BYTES)
        if not data:
            raise _UnansweredError("The connection was closed before an answer came.")
        parser.feed(data)


async def _read_rest(reader: asyncio.StreamReader, parser: _AnswerParser) -> None:
    # The status is the outcome, so a failure after it does not matter.
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(_BODY_SECONDS):
            while not parser.is_complete and (data := await reader.read(_READ_BYTES)):
                parser.feed(data)


def _head(url: WebhookUrl, headers: Mapping[str, str], body_bytes: int) -> bytes:
    lines = {
        "Host": url.authority,
        "User-Agent": "Pushaside/1",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "Content-Length": str(body_bytes),
        **headers,
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {url.target} HTTP/1.1\r\n{text}\r\n".encode("ascii")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
