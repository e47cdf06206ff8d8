"""The client of the HTTP API: durable requests, polled or delivered elsewhere, and results as resources.

client = pushaside.HttpClient("http://127.0.0.1:8080/")
accepted = await client.submit("documents", {"collection": "airports", "ids": ["TX"]})
result = await client.wait(accepted.id)
"""

from __future__ import annotations

import asyncio
import math
import random as system_random
import ssl
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from pushaside.deadlines import Deadline
from pushaside.errors import (
    CannotConnectError,
    PushasideError,
    UnreadableResultError,
    error_from_wire,
)
from pushaside.http.answers import read_age, read_object, read_tags
from pushaside.http.calls import HttpAnswer, check_http_url
from pushaside.http.changes import ChangeScope, write_changed
from pushaside.http.downloads import Downloads
from pushaside.http.durable_requests import Accepted, Deliver, Poll, RequestState, Resource, Sns, Webhook
from pushaside.http.service import HttpService
from pushaside.place import Token
from pushaside.protocol.data_forms import make_etag, parse_data
from pushaside.protocol.fields import read_text
from pushaside.protocol.messages import Failed, Linked, Result, read_fields
from pushaside.protocol.questions import write_params
from pushaside.reaching import read_seconds
from pushaside.settings import Settings

__all__ = ["Accepted", "Deliver", "HttpClient", "Poll", "RequestState", "Resource", "Sns", "Webhook"]

_NOT_MODIFIED, _ACCEPTED, _REDIRECTED = 304, 202, frozenset((302, 303, 307, 308))
_LONGEST_WAIT_SECONDS = 20
"""The longest long poll in seconds; API Gateway limits an integration to 30 seconds."""


class HttpClient:
    """A client of the HTTP API. Every call has a connection of its own, so there is nothing to open or close.

    `url` is that of the HTTP API. The client sends `token` as `Authorization: Bearer`; it calls a function before every
    call. `tls` replaces the default context of `https` URLs. Throttled or lost calls are retried, at most
    `Settings.max_retries` times and not past the deadline. If nothing listens at the address, the first call fails at
    once. The examples run in `python -m asyncio`.

    >>> client = HttpClient(HTTP_URL)
    >>> accepted = await client.submit("documents", {"collection": "airports", "ids": ["TX"]})
    >>> result = await client.wait(accepted.id, deadline=30.0)
    >>> result.data[0]["state"]
    'TX'
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        settings: Settings | None = None,
        tls: ssl.SSLContext | None = None,
        random: Callable[[], float] = system_random.random,
    ) -> None:
        check_http_url(url)
        self._settings = settings or Settings()
        self._service = HttpService(url.rstrip("/") + "/", token=token, settings=self._settings, tls=tls, random=random)
        self._downloads = Downloads(self._settings, tls=tls, host=urlsplit(url).hostname)

    async def submit(
        self,
        compute: str,
        params: Mapping[str, object] | None = None,
        *,
        deliver: Deliver | None = None,
        id: str | None = None,  # noqa: A002  (the protocol's word)
        request_deadline: float | None = None,
        max_age: float | None = None,
        deadline: float = 30.0,
    ) -> Accepted:
        """Submit a durable request; once this returns, the service does not lose it.

        `deliver` says where the result goes; by default, the caller polls for it. `id` makes it safe to submit the
        same request twice; by default, the client makes one. `request_deadline` limits the request in seconds (at most
        86400, by default 900), `max_age` the age of the result, `deadline` this call.

        Raises:
            RequestTimeoutError: the service did not accept the request before the deadline.
            CannotConnectError: the service cannot be reached, or is too busy.
            PushasideError: the service refused the request; the code decides the class.

        """
        request_id = uuid.uuid4().hex if id is None else id
        document: dict[str, object] = {
            "id": request_id,
            "compute": compute,
            "params": orjson.Fragment(write_params(params)),
            "deliver": (deliver or Poll()).to_wire(),
        }
        if request_deadline is not None:
            document["deadline_ms"] = max(1, round(request_deadline * 1000))
        if max_age is not None:
            document["max_age"] = max_age
        answer = await self._service.ask("POST", "requests", Deadline(deadline), body=orjson.dumps(document))
        fields = read_object(answer)
        return Accepted(read_text(fields, "id") or request_id, read_text(fields, "status") or "pending")

    async def look(self, request_id: str, *, wait: float = 0.0, deadline: float = 30.0) -> RequestState:
        """Return the state of a request, after at most `wait` seconds (up to 25) for it to be settled.

        Raises:
            NotFoundError: the service does not know the request, or no longer stores it.
            RequestTimeoutError: there was no answer before the deadline, in seconds.
            PushasideError: the service answered with an error, or the result cannot be read.

        """
        return await self._look(request_id, wait, Deadline(deadline))

    async def wait(self, request_id: str, *, deadline: float = 30.0) -> Result:
        """Wait until a request is settled, for `deadline` seconds, and return its result.

        Raises:
            RequestTimeoutError: it was not settled before this deadline, or not before its own.
            NotFoundError: the service does not know the request, or no longer stores it.
            PushasideError: the request failed; the code decides the class.

        """
        limit = Deadline(deadline)
        while True:
            began, waited = limit.now(), self._longest_wait(limit)
            state = await self._look(request_id, waited, limit)
            if isinstance(state.outcome, PushasideError):
                raise state.outcome
            if state.outcome is not None:
                return state.outcome
            # A long poll that waited needs no further pause.
            if limit.now() - began < waited / 2 or waited == 0:
                await limit.sleep(state.retry_after or 1.0)

    async def result(
        self,
        compute: str,
        params: Mapping[str, object] | None = None,
        *,
        known: Resource | None = None,
        deadline: float = 30.0,
    ) -> Resource:
        """Get a result as a resource, which caches on the way may answer.

        `known` is an earlier resource: if it is still current, it is returned, and its data is not sent again.

        Raises:
            RequestTimeoutError: there was no result before the deadline, in seconds.
            PushasideError: the service answered with an error, whose code decides the class.

        """
        limit = Deadline(deadline)
        path = f"results/{quote(compute, safe='')}?params={quote(write_params(params), safe='')}"
        while True:
            began, waited = limit.now(), self._longest_wait(limit)
            headers = {"Prefer": f"wait={waited}"} if waited else {}
            if known is not None:
                headers["If-None-Match"] = f'"{known.etag}"'
            answer = await self._service.ask("GET", path, limit, headers=headers, wait=waited)
            if answer.status == _NOT_MODIFIED and known is not None:
                return Resource(known.data, known.etag, read_age(answer), read_tags(answer))
            if answer.status != _ACCEPTED:
                return await self._read_resource(answer, limit)
            if limit.now() - began < waited / 2 or waited == 0:
                await limit.sleep(read_seconds(answer.headers.get("retry-after", "")) or 1.0)

    async def changed(
        self,
        tags: Iterable[str],
        *,
        scope: ChangeScope = "tenant",
        tenant: str | None = None,
        deadline: float = 30.0,
    ) -> None:
        """Say that the sources of tags changed; the change is durable once this returns, within `deadline` seconds.

        Results with one of the tags become stale, and subscribers receive the new ones. `scope` says which results:
        those of one tenant (the caller's own, or `tenant`), `shared` ones, or `all`.

        Raises:
            ForbiddenError: the token does not permit raising these tags.
            RequestTimeoutError: the service did not accept the change before the deadline.
            PushasideError: the service refused the change; the code decides the class.

        """
        # A repeat is harmless, so retries need no id.
        await self._service.ask("POST", "changes", Deadline(deadline), body=write_changed(tags, scope, tenant))

    async def webhook_secrets(self, *, deadline: float = 30.0) -> tuple[str, ...]:
        """Return the secrets that sign this caller's webhooks, the current one first.

        Raises:
            RequestTimeoutError: there was no answer before the deadline, in seconds.
            PushasideError: the service did not return them.

        """
        fields = read_object(await self._service.ask("GET", "webhooks/keys", Deadline(deadline)))
        secrets = fields.get("secrets")
        if not isinstance(secrets, list) or not all(isinstance(secret, str) for secret in secrets):
            raise UnreadableResultError("The service returned no secrets.")
        return tuple(secrets)

    async def computes(self, *, deadline: float = 30.0) -> tuple[Mapping[str, Any], ...]:
        """Return the computes on offer: name, description, JSON Schema of the params, scope and times of each.

        Raises:
            RequestTimeoutError: there was no answer before the deadline, in seconds.
            PushasideError: the service did not return them.

        """
        computes = read_object(await self._service.ask("GET", "computes", Deadline(deadline))).get("computes")
        if not isinstance(computes, list) or not all(isinstance(compute, dict) for compute in computes):
            raise UnreadableResultError("The service returned no list of computes.")
        return tuple(computes)

    def _longest_wait(self, limit: Deadline) -> int:
        return max(0, min(_LONGEST_WAIT_SECONDS, math.floor(limit.left())))

    async def _look(self, request_id: str, wait: float, limit: Deadline) -> RequestState:
        path = f"requests/{quote(request_id, safe='')}" + (f"?wait={wait:g}" if wait else "")
        links = 0
        while True:
            answer = await self._service.ask("GET", path, limit, wait=wait)
            try:
                async with limit.bound():
                    return await self._read_state(request_id, answer)
            except CannotConnectError as exc:
                # The link may have expired: the next answer has a new one.
                links += 1
                if not exc.retryable or links >= self._settings.fetch_attempts:
                    raise

    async def _read_state(self, request_id: str, answer: HttpAnswer) -> RequestState:
        fields = read_object(answer)
        status = read_text(fields, "status") or "pending"
        delivery = fields.get("delivery")
        outcome: Result | PushasideError | None = None
        if status == "failed":
            error = fields.get("error")
            outcome = error_from_wire(error if isinstance(error, dict) else {})
        elif status == "done":
            outcome = await self._read_outcome(request_id, fields.get("result"))
        return RequestState(
            request_id,
            status,
            outcome,
            delivery if isinstance(delivery, dict) else {},
            read_seconds(answer.headers.get("retry-after", "")),
        )

    async def _read_outcome(self, request_id: str, message: object) -> Result | PushasideError:
        if not isinstance(message, dict):
            raise UnreadableResultError("The service reports the request as done, without a result.")
        match read_fields({"id": request_id, **message, "type": "result"}, self._settings.max_result_bytes):
            case Result() as result:
                return result
            case Linked() as linked:
                return await self._downloads.follow(linked)
            case Failed() as failed:
                raise failed.error
            case _:
                raise UnreadableResultError("The service returned an invalid result.")

    async def _read_resource(self, answer: HttpAnswer, limit: Deadline) -> Resource:
        etag = answer.headers.get("etag", "").removeprefix("W/").strip('"')
        body = answer.body
        if answer.status in _REDIRECTED:
            async with limit.bound():
                body = await self._downloads.fetch_data(answer.headers.get("location", ""))
            # The storage behind the link does not know the etag, which is the hash of the data.
            etag = etag or await asyncio.to_thread(make_etag, body)
        return Resource(await asyncio.to_thread(parse_data, body), etag, read_age(answer), read_tags(answer))
