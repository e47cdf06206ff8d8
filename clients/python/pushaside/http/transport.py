"""HTTP calls by httpx, whose exceptions become this package's errors here and nowhere else."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import h11
import httpx

from pushaside.errors import CannotConnectError, PushasideError, UnreadableResultError
from pushaside.http.calls import HttpAnswer, HttpCall, OnBytes
from pushaside.protocol.data_forms import gunzip, too_large
from pushaside.reaching import is_loopback, say_reason

TRANSLATED = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError)
"""The exceptions that a call ends in; httpx raises ImportError for a SOCKS proxy that it has no support for."""


async def exchange(request: HttpCall, on_bytes: OnBytes | None = None) -> HttpAnswer:
    """Make a call on a connection of its own, as `pushaside.http.calls.call` describes."""
    try:
        async with (
            asyncio.timeout(request.timeout_seconds),
            await _make_client(request) as client,
            client.stream(request.method, request.url, content=request.body) as response,
        ):
            body = await _read(response, request.max_bytes, on_bytes)
    except PushasideError:
        raise
    except TRANSLATED as exc:
        raise translate(exc, request.url) from exc
    headers = dict(response.headers.items())
    return HttpAnswer(response.status_code, headers, _decompress(body, headers, request.max_bytes))


async def _make_client(request: HttpCall) -> httpx.AsyncClient:
    parts = urlsplit(request.url)
    tls: ssl.SSLContext | bool = False
    if parts.scheme.lower() == "https":
        tls = await asyncio.to_thread(_default_tls) if request.tls is None else request.tls
    return httpx.AsyncClient(
        verify=tls,
        # The call has one time limit, which also bounds a service that sends a byte now and then.
        timeout=None,  # noqa: S113
        trust_env=not is_loopback(parts.hostname or ""),
        headers={"Accept-Encoding": "gzip", "User-Agent": "pushaside", "Connection": "close", **request.headers},
    )


@functools.cache
def _default_tls() -> ssl.SSLContext:
    """Make the default TLS context once: reading the certificates of all authorities takes a quarter of a second."""
    return ssl.create_default_context()


async def _read(response: httpx.Response, max_bytes: int, on_bytes: OnBytes | None) -> bytes:
    length = response.headers.get("content-length", "")
    expected = int(length) if length.isdigit() else None
    body = bytearray()
    try:
        # Raw, because httpx decompresses a chunk of any size at once, without a bound.
        async for part in response.aiter_raw():
            body += part
            if len(body) > max_bytes:
                raise too_large(max_bytes)
            if on_bytes is not None:
                on_bytes(len(body), expected)
    except httpx.RemoteProtocolError as exc:
        raise CannotConnectError(f"The answer of {_place(str(response.url))} was cut short.") from exc
    return bytes(body)


def _decompress(body: bytes, headers: Mapping[str, str], max_bytes: int) -> bytes:
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"} or not body:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise UnreadableResultError(f"The answer has the content encoding {encoding!r}; only gzip was asked for.")
    return gunzip(body, max_bytes)


def translate(exc: Exception, url: str) -> CannotConnectError:
    """Return the error for an exception of a call."""
    place, causes = _place(url), list(_causes(exc))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CannotConnectError(f"The certificate of {place} is not valid: {cause}.", retryable=False)
        if isinstance(cause, ssl.SSLError):
            return CannotConnectError(f"TLS with {place} failed: {cause.strerror or cause}.")
    match exc:
        case TimeoutError() | httpx.TimeoutException():
            return CannotConnectError(f"{place} did not answer in time.", is_answered=False)
        case httpx.RemoteProtocolError() if any(isinstance(cause, h11.RemoteProtocolError) for cause in causes):
            return CannotConnectError(f"The service at {place} does not speak HTTP.", retryable=False)
        case httpx.RemoteProtocolError() | httpx.ReadError() | httpx.WriteError() | httpx.CloseError():
            return CannotConnectError(f"{place} closed the connection before it answered.")
        case httpx.ProxyError() | ImportError():
            return CannotConnectError(f"The proxy does not lead to {place}: {str(exc).rstrip('.')}.", retryable=False)
        case httpx.LocalProtocolError() | UnicodeError():
            # The exception's own sentence may quote the token.
            return CannotConnectError(f"The token or a header of the call to {place} is not valid.", retryable=False)
        case httpx.NetworkError() | OSError():
            return CannotConnectError(f"Nothing answers at {place}: {_reason(causes)}.", is_answered=False)
        case httpx.UnsupportedProtocol() | httpx.InvalidURL() | ValueError():
            return CannotConnectError(f"The address {place} cannot be used.", retryable=False)
        case _:
            return CannotConnectError(f"The answer of {place} cannot be read.", retryable=False)


def _place(url: str) -> str:
    """Return host and port of a URL, without its query: in a link it is a credential."""
    return urlsplit(url).netloc.rpartition("@")[2] if "//" in url else url


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """List an exception and what caused it, groups included."""
    yield exc
    # httpcore raises its own exceptions while it handles the causes, without naming them.
    for cause in (exc.__cause__ or exc.__context__, *getattr(exc, "exceptions", ())):
        if cause is not None:
            yield from _causes(cause)


def _reason(causes: list[BaseException]) -> str:
    """Return what the system says, which is the deepest cause with a number."""
    numbered = [cause for cause in causes if isinstance(cause, OSError) and cause.errno]
    if numbered:
        return say_reason(numbered[-1])
    return str(causes[-1]).rstrip(".")
