"""Calls of the HTTP API: each is retried after temporary errors, until it has an answer or its deadline is over."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

from pushaside.backoff import full_jitter
from pushaside.deadlines import Deadline
from pushaside.errors import PushasideError, RequestTimeoutError
from pushaside.http.calls import HttpAnswer, HttpCall, call
from pushaside.http.problems import error_from_answer
from pushaside.place import Token, get_token
from pushaside.settings import Settings

_ERROR = 400


class HttpService:
    """The HTTP API at a URL that ends with a slash. If it was never reached, a failed call is not retried.

    The client sends `token` as `Authorization: Bearer`; `random` returns numbers in [0, 1).
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None,
        settings: Settings,
        tls: ssl.SSLContext | None,
        random: Callable[[], float],
    ) -> None:
        self._url = url
        self._token = token
        self._settings = settings
        self._tls = tls
        self._random = random
        self._was_reached = False

    async def ask(
        self,
        method: str,
        path: str,
        limit: Deadline,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        wait: float = 0.0,
    ) -> HttpAnswer:
        """Call until an answer is no error; retry after temporary errors."""
        attempt, trouble = 0, ""
        while True:
            try:
                return await self._call(method, path, limit, headers or {}, body, wait)
            except RequestTimeoutError as exc:
                if not trouble:
                    raise
                raise RequestTimeoutError(exc.message + trouble) from exc
            except PushasideError as exc:
                trouble = f" Before: {exc.message}"
                if not exc.retryable or not self._was_reached or attempt >= self._settings.max_retries:
                    raise
                seconds = max(self._backoff(attempt), exc.retry_after or 0.0)
                if seconds >= limit.left():
                    raise
            attempt += 1
            await limit.sleep(seconds)

    async def _call(
        self, method: str, path: str, limit: Deadline, headers: Mapping[str, str], body: bytes | None, wait: float
    ) -> HttpAnswer:
        async with limit.bound():
            token = await get_token(self._token)
            request = HttpCall(
                url=self._url + path,
                # The deadline ends the call first, so that the error is a timeout of the request.
                timeout_seconds=min(limit.left() + 1.0, self._settings.fetch_timeout_seconds + wait),
                max_bytes=self._settings.max_result_bytes,
                method=method,
                headers=_headers(headers, token, body),
                body=body,
                tls=self._tls,
            )
            answer = await call(request)
        self._was_reached = True
        if answer.status >= _ERROR:
            raise error_from_answer(answer)
        return answer

    def _backoff(self, attempt: int) -> float:
        return full_jitter(
            attempt,
            self._random(),
            base_seconds=self._settings.backoff_base_seconds,
            cap_seconds=self._settings.backoff_cap_seconds,
        )


def _headers(headers: Mapping[str, str], token: str | None, body: bytes | None) -> dict[str, str]:
    more = {} if token is None else {"Authorization": f"Bearer {token}"}
    if body is not None:
        more["Content-Type"] = "application/json"
    return {"Accept": "application/json", **headers, **more}
