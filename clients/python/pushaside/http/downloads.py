"""Downloads of data that is too large for a message, and arrives as a link."""

from __future__ import annotations

import asyncio
import ssl
import time
from urllib.parse import urljoin, urlsplit

from pushaside.errors import CannotConnectError, PushasideError, UnreadableResultError
from pushaside.http.calls import HttpAnswer, HttpCall, OnBytes, call, check_http_url
from pushaside.protocol.data_forms import check_etag, parse_data
from pushaside.protocol.messages import Linked, Result
from pushaside.reaching import TRY_AGAIN
from pushaside.session.effects import FetchFailure, Remedy
from pushaside.settings import Settings

_OK = 200
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_MOST_REDIRECTS = 3
_EXPIRED = frozenset((400, 401, 403, 404, 410))
"""S3 and CloudFront: the link or its signer's credentials have expired, or the object is gone."""


class Downloads:
    """Fetches the data behind links, `Settings.max_fetches` at once.

    `tls` is used for links to the service's own `host`; other links, such as those to S3, use the default context.
    """

    def __init__(self, settings: Settings, *, tls: ssl.SSLContext | None = None, host: str | None = None) -> None:
        self._settings = settings
        self._tls = tls
        self._host = host
        self._free = asyncio.Semaphore(settings.max_fetches)

    async def fetch(self, linked: Linked, on_bytes: OnBytes | None = None) -> Result | FetchFailure:
        """Try a link once; `on_bytes` receives the progress. Raises nothing but a cancellation."""
        try:
            data = await self.fetch_data(linked.url, on_bytes)
            return await asyncio.to_thread(_complete, linked, data)
        except CannotConnectError as exc:
            return FetchFailure(exc, _remedy(exc))
        except UnreadableResultError as exc:
            return FetchFailure(exc, Remedy.FETCH_AGAIN)
        except PushasideError as exc:
            return FetchFailure(exc, Remedy.NOTHING)

    async def follow(self, linked: Linked) -> Result:
        """Try a link up to `Settings.fetch_attempts` times.

        Raises:
            CannotConnectError: the link does not work; the status shows whether it has expired.
            TooLargeError: the data exceeds `Settings.max_result_bytes`.
            UnreadableResultError: the data is damaged.

        """
        attempts = 1
        while isinstance(outcome := await self.fetch(linked), FetchFailure):
            if outcome.remedy is not Remedy.FETCH_AGAIN or attempts >= self._settings.fetch_attempts:
                raise outcome.error
            await asyncio.sleep(self._settings.backoff_base_seconds * attempts)
            attempts += 1
        return outcome

    async def fetch_data(self, url: str, on_bytes: OnBytes | None = None) -> bytes:
        """Return the JSON behind a link, decompressed; `on_bytes` receives the progress.

        Raises:
            CannotConnectError: the link does not work; `status` is that of the answer, if there was one.
            TooLargeError: the data exceeds `Settings.max_result_bytes`.
            UnreadableResultError: the data is damaged.

        """
        async with self._free:
            try:
                async with asyncio.timeout(self._settings.fetch_timeout_seconds):
                    return await self._read(url, on_bytes)
            except TimeoutError as exc:
                message = f"{urlsplit(url).hostname} did not answer in time."
                raise CannotConnectError(message, is_answered=False) from exc

    async def _read(self, url: str, on_bytes: OnBytes | None) -> bytes:
        until = time.monotonic() + self._settings.fetch_timeout_seconds
        for _ in range(_MOST_REDIRECTS + 1):
            answer = await call(self._call(url, until - time.monotonic()), on_bytes)
            if answer.status not in _REDIRECTS:
                return _take_body(answer)
            url = _redirected(url, answer)
        raise CannotConnectError("The link to the result redirects too often.", retryable=False)

    def _call(self, url: str, seconds: float) -> HttpCall:
        try:
            check_http_url(url)
        except ValueError as exc:
            raise CannotConnectError(f"The link to the result is not valid: {exc}", retryable=False) from exc
        tls = self._tls if urlsplit(url).hostname == self._host else None
        return HttpCall(
            url=url, timeout_seconds=max(seconds, 0.001), max_bytes=self._settings.max_result_bytes, tls=tls
        )


def _complete(linked: Linked, data: bytes) -> Result:
    """Complete a result with its data; off the event loop, because hashing and parsing megabytes takes a while."""
    check_etag(data, linked.result.etag)
    return linked.result._replace(data=parse_data(data))


def _take_body(answer: HttpAnswer) -> bytes:
    if answer.status == _OK:
        return answer.body
    raise CannotConnectError(
        f"The link to the result answered with status {answer.status}.",
        status=answer.status,
        retryable=answer.status in TRY_AGAIN or answer.status in _EXPIRED,
    )


def _redirected(url: str, answer: HttpAnswer) -> str:
    target = urljoin(url, answer.headers.get("location", ""))
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise CannotConnectError("The link to the result redirects away from https.", retryable=False)
    return target


def _remedy(error: CannotConnectError) -> Remedy:
    if error.status in _EXPIRED:
        return Remedy.ASK_AGAIN
    return Remedy.FETCH_AGAIN if error.retryable else Remedy.NOTHING
