"""Follows the links that stand for data too large for a message."""

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
"""What S3 and CloudFront say of a link whose time or whose signer's credentials are over, or whose object is gone."""


class Downloads:
    """Fetches data off the event loop, a bounded number at once.

    `tls` is used for links to `host`, the service's own; others, such as those to S3, are checked as browsers do.
    """

    def __init__(self, settings: Settings, *, tls: ssl.SSLContext | None = None, host: str | None = None) -> None:
        self._settings = settings
        self._tls = tls
        self._host = host
        self._free = asyncio.Semaphore(settings.max_fetches)

    async def fetch(self, linked: Linked, on_bytes: OnBytes | None = None) -> Result | FetchFailure:
        """Try a link once, and tell how many bytes have come. Never raises, but for being cancelled."""
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
        """Try a link some times.

        Raises:
            CannotConnectError: it can't be followed; its status tells one that has expired.
            TooLargeError: the data is larger than is taken.
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
        """Read the JSON that a link leads to, decompressed; `on_bytes` is called on this event loop.

        Raises:
            CannotConnectError: it can't be read; `status` is what was answered, if anything was.
            TooLargeError: it is larger than is taken.
            UnreadableResultError: it is damaged.

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
        raise CannotConnectError("The link to the result leads in circles.", retryable=False)

    def _call(self, url: str, seconds: float) -> HttpCall:
        try:
            check_http_url(url)
        except ValueError as exc:
            raise CannotConnectError(f"The link to the result cannot be followed: {exc}", retryable=False) from exc
        tls = self._tls if urlsplit(url).hostname == self._host else None
        return HttpCall(
            url=url, timeout_seconds=max(seconds, 0.001), max_bytes=self._settings.max_result_bytes, tls=tls
        )


def _complete(linked: Linked, data: bytes) -> Result:
    """Put data in its place. Done off the loop: hashing and reading megabytes takes a while."""
    check_etag(data, linked.result.etag)
    return linked.result._replace(data=parse_data(data))


def _take_body(answer: HttpAnswer) -> bytes:
    if answer.status == _OK:
        return answer.body
    raise CannotConnectError(
        f"The link to the result was answered with status {answer.status}.",
        status=answer.status,
        retryable=answer.status in TRY_AGAIN or answer.status in _EXPIRED,
    )


def _redirected(url: str, answer: HttpAnswer) -> str:
    target = urljoin(url, answer.headers.get("location", ""))
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise CannotConnectError("The link to the result leads away from https.", retryable=False)
    return target


def _remedy(error: CannotConnectError) -> Remedy:
    if error.status in _EXPIRED:
        return Remedy.ASK_AGAIN
    return Remedy.FETCH_AGAIN if error.retryable else Remedy.NOTHING
