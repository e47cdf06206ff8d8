"""One HTTP call by the standard library, in a thread of its own; its exceptions become this package's here."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from pushaside.errors import CannotConnectError, UnreadableResultError
from pushaside.protocol.data_forms import gunzip, too_large
from pushaside.reaching import is_loopback, say_reason

T = TypeVar("T")

_READ_BYTES = 256 * 1024

OnBytes = Callable[[int, int | None], None]
"""Is told how many bytes have come, and how many are to come altogether if that is known."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """What is asked; redirects are not followed. `max_bytes` bounds the body that comes back, also decompressed."""

    url: str
    timeout_seconds: float
    max_bytes: int
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back; names of headers are in lower case, the body is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check_http_url(url: str) -> None:
    """Check that a URL can be one of an HTTP service.

    Raises:
        ValueError: it can't; the sentence says why.

    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not url.isascii() or any(character <= " " for character in url):
        raise ValueError(f"{url!r} is not an HTTP URL such as http://127.0.0.1:8080/.")


async def call_in_thread(work: Callable[[threading.Event], T]) -> T:
    """Do blocking work off the event loop, and give it an event that is set once nobody waits for it any more.

    The thread is a daemon: unlike the loop's own threads it keeps nobody from leaving.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    abandoned = threading.Event()

    def finish(outcome: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(outcome)  # type: ignore[arg-type]  # None only if it is a T

    def run() -> None:
        outcome, error = None, None
        try:
            outcome = work(abandoned)
        except Exception as exc:  # noqa: BLE001  (it is raised where the work is awaited)
            error = exc
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(finish, outcome, error)

    threading.Thread(target=run, name="pushaside-http", daemon=True).start()
    try:
        return await future
    finally:
        abandoned.set()


def call(request: HttpCall, abandoned: threading.Event | None = None, on_bytes: OnBytes | None = None) -> HttpAnswer:
    """Make a call and read the answer, whatever its status; blocks. `on_bytes` is called in the same thread.

    Raises:
        CannotConnectError: no whole answer came, or not in time.
        TooLargeError: the answer is larger than is taken.
        UnreadableResultError: its content encoding is damaged or not known.

    """
    deadline = time.monotonic() + request.timeout_seconds
    try:
        with _open(request) as response:
            body = _read(response, request.max_bytes, deadline, abandoned or threading.Event(), on_bytes)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpAnswer(response.status, headers, _decompress(body, headers, request.max_bytes))
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise _translate(exc, request.url) from exc


@functools.cache
def _default_tls() -> ssl.SSLContext:
    """Make it once: reading all the authorities' certificates takes a quarter of a second."""
    return ssl.create_default_context()


def _open(request: HttpCall) -> http.client.HTTPResponse:
    # An opener of these handlers alone neither follows redirects nor knows other schemes, such as `file`.
    opener = urllib.request.OpenerDirector()
    proxies: dict[str, str] | None = {} if is_loopback(urlsplit(request.url).hostname or "") else None
    opener.add_handler(urllib.request.ProxyHandler(proxies))
    opener.add_handler(urllib.request.HTTPHandler())
    if urlsplit(request.url).scheme.lower() == "https":
        opener.add_handler(urllib.request.HTTPSHandler(context=request.tls or _default_tls()))
    opener.add_handler(urllib.request.UnknownHandler())
    opener.addheaders = []
    headers = {"Accept-Encoding": "gzip", "User-Agent": "pushaside", **request.headers}
    message = urllib.request.Request(request.url, request.body, headers, method=request.method)  # noqa: S310  (http and https only)
    response: http.client.HTTPResponse = opener.open(message, timeout=request.timeout_seconds)
    return response


def _read(
    response: http.client.HTTPResponse,
    max_bytes: int,
    deadline: float,
    abandoned: threading.Event,
    on_bytes: OnBytes | None,
) -> bytes:
    expected = response.length
    parts: list[bytes] = []
    size = 0
    # One that sends a byte now and then would never run into the socket's own timeout.
    while not abandoned.is_set() and time.monotonic() < deadline:
        part = response.read1(_READ_BYTES)
        if not part:
            if response.length:
                raise http.client.IncompleteRead(b"".join(parts), response.length)
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise too_large(max_bytes)
        if on_bytes is not None:
            on_bytes(size, expected)
    raise TimeoutError


def _decompress(body: bytes, headers: Mapping[str, str], max_bytes: int) -> bytes:
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"} or not body:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise UnreadableResultError(f"The answer has a content encoding that was not asked for: {encoding!r}.")
    return gunzip(body, max_bytes)


def _translate(exc: Exception, url: str) -> CannotConnectError:
    """Say what went wrong, without the query of the URL: in a link it is a credential."""
    place = urlsplit(url).netloc.rpartition("@")[2] if "//" in url else url
    cause = exc.reason if isinstance(exc, urllib.error.URLError) else exc
    match cause:
        case TimeoutError():
            return CannotConnectError(f"{place} did not answer in time.", is_answered=False)
        case ssl.SSLCertVerificationError():
            return CannotConnectError(f"The certificate of {place} is not valid: {cause}.", retryable=False)
        case ConnectionResetError() | BrokenPipeError() | http.client.RemoteDisconnected():
            return CannotConnectError(f"{place} hung up before it had answered.")
        case http.client.IncompleteRead():
            return CannotConnectError(f"The answer of {place} was cut short.")
        case OSError():
            return CannotConnectError(f"Nothing answers at {place}: {say_reason(cause)}.", is_answered=False)
        case http.client.InvalidURL() | ValueError():
            return CannotConnectError(f"The address {place} cannot be used.", retryable=False)
        case _:
            return CannotConnectError(f"What answers at {place} does not speak HTTP.", retryable=False)
