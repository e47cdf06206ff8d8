"""A deployed HTTP API: turns requests into invocations, and answers into responses."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from local.functions.invocation import Invocation, Outcome
from local.gateway.api import HttpApi, Limits
from local.gateway.cross_origin import CrossOrigin, Headers
from local.gateway.forwarding import forwarded_headers, source_ip
from local.gateway.http_connection import HttpConnection
from local.gateway.http_events import MalformedAnswerError, http_event, http_response
from local.gateway.http_messages import HttpRequest, message_response, response
from local.gateway.http_routes import HttpRoutes
from local.gateway.integration_calls import INTEGRATION_TIMED_OUT, IntegrationCalls
from local.gateway.request_clock import RequestClock
from local.gateway.request_ids import RequestIds
from local.gateway.throttling import bucket

DEFAULT_STAGE: Final = "$default"

_NOT_FOUND = message_response(404, "Not Found")
_TOO_MANY_REQUESTS = message_response(429, "Too Many Requests")
_INTERNAL_SERVER_ERROR = message_response(500, "Internal Server Error")
_SERVICE_UNAVAILABLE = message_response(503, "Service Unavailable")

log = logging.getLogger(__name__)


class HttpApiStage:
    """The one stage of an HTTP API. Raises ValueError for a route key that API Gateway does not accept."""

    def __init__(
        self,
        api: HttpApi,
        limits: Limits,
        calls: IntegrationCalls,
        *,
        clock: RequestClock,
        ids: RequestIds,
        now: Callable[[], float],
    ) -> None:
        self._api = api
        self._calls = calls
        self._clock = clock
        self._ids = ids
        self._now = now
        self._routes = HttpRoutes(api.routes)
        self._buckets = {
            route.key: bucket(route.throttle, now(), is_kept=limits.keeps_to_throttles) for route in api.routes
        }
        self._cross_origin = CrossOrigin(api.cors) if api.cors is not None else None

    def answer(self, request: HttpRequest, http: HttpConnection) -> None:
        """Answer one request, after its function has answered if there is one."""
        path = self._path_on_stage(request.path)
        method = request.method.decode()
        match = self._routes.match(method, path) if path is not None else None
        request_id = self._ids.draw()
        cors = self._cross_origin.headers(request) if self._cross_origin is not None else None
        if match is None:
            is_preflight = method == "OPTIONS" and path is not None and cors is not None
            http.respond(_preflight_response(request_id, cors or []) if is_preflight else _NOT_FOUND)
            return
        tokens = self._buckets[match.route.key]
        if tokens is not None and not tokens.take(self._now()):
            http.respond(_TOO_MANY_REQUESTS)
            return
        event = http_event(
            self._api,
            route_key=match.route.key,
            path_parameters=match.path_parameters,
            request=request,
            headers=forwarded_headers(request, http.transport),
            source_ip=source_ip(http.transport),
            request_id=request_id,
            moment=self._clock.moment(),
        )
        answered = partial(self._answered, http, request_id, method == "HEAD", cors)
        self._calls.invoke(match.route.integration, event, answered)

    def _path_on_stage(self, path: str) -> str | None:
        """Return the path to match routes with, or None. A named stage is the first segment and is removed."""
        if self._api.stage == DEFAULT_STAGE:
            return path
        prefix = f"/{self._api.stage}"
        if path == prefix:
            return "/"
        return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else None

    def _answered(
        self,
        http: HttpConnection,
        request_id: str,
        head: bool,  # noqa: FBT001
        cors: Headers | None,
        invocation: Invocation,
    ) -> None:
        if invocation is INTEGRATION_TIMED_OUT or invocation.outcome is Outcome.THROTTLED:
            http.respond(_SERVICE_UNAVAILABLE)
        elif invocation.outcome is not Outcome.RETURNED:
            http.respond(_INTERNAL_SERVER_ERROR)
        else:
            http.respond(_response(invocation.payload, request_id, cors, head=head))


def _preflight_response(request_id: str, cors: Headers) -> bytes:
    return response(204, [*cors, ("Apigw-Requestid", request_id)])


def _response(payload: bytes, request_id: str, cors: Headers | None, *, head: bool) -> bytes:
    try:
        return http_response(payload, request_id, cors, head=head)
    except MalformedAnswerError as error:
        log.warning("a function's answer to an HTTP request is malformed: %s", error)
        return _INTERNAL_SERVER_ERROR
