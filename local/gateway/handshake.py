"""The opening of a WebSocket: the authorizer, then `$connect`, then the 101 or a refusal."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from local.functions.invocation import Invocation, Outcome
from local.gateway.api import Authorizer, FunctionIntegration
from local.gateway.authorizer_decision import Allowed, decide, has_identity
from local.gateway.forwarding import forwarded_headers, source_ip
from local.gateway.http_connection import HttpConnection
from local.gateway.http_messages import JSON_TYPE, HttpRequest, message_response, response
from local.gateway.integration_calls import INTEGRATION_TIMED_OUT
from local.gateway.websocket_connection import ABNORMAL_REASON, WebSocketConnection
from local.gateway.websocket_events import (
    Client,
    HandshakeRequest,
    authorizer_event,
    connect_arn,
    connect_event,
    connection_context,
)
from local.gateway.websocket_stage import ENDPOINT_TIMED_OUT, WebSocketStage

MAX_TARGET_CHARACTERS: Final = 4096
"""Limit of the URL length ("Quotas for configuring and running a WebSocket API", Developer Guide)."""
TOO_MANY_REQUESTS: Final = "Too Many Requests"

log = logging.getLogger(__name__)

_KNOWN_STATUSES: Final = frozenset(status.value for status in HTTPStatus)
_SUBPROTOCOL = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch


class Handshake:
    """One client's attempt to open a WebSocket on a stage."""

    def __init__(self, stage: WebSocketStage, request: HttpRequest, http: HttpConnection) -> None:
        self._stage = stage
        self._request = request
        self._http = http
        self._connection_id = stage.ids.draw()
        self._request_id = stage.ids.draw()
        self._moment = stage.clock.moment()
        self._authorizer_members: Mapping[str, object] | None = None
        self._accepted = _accept(request)
        self._client = _client(request, http)

    def begin(self) -> None:
        """Answer the request, at once or after the functions have answered.

        The HTTP connection reads nothing meanwhile, so no message arrives before the WebSocket is open.
        """
        if len(self._request.target) > MAX_TARGET_CHARACTERS:
            self._http.respond(message_response(414, "Request-URI Too Long"))
            return
        if self._accepted.status_code != 101:
            self._http.respond(message_response(self._accepted.status_code, self._accepted.reason_phrase))
            return
        if self._stage.is_connect_throttled():
            self._refuse(429, TOO_MANY_REQUESTS)
            return
        route = self._stage.api.routes.get("$connect")
        if route is not None and route.authorizer is not None:
            self._authorize(route.authorizer)
        else:
            self._connect()

    def _authorize(self, authorizer: Authorizer) -> None:
        headers = {name.lower(): value for name, value in self._handshake.headers}
        query = dict(parse_qsl(self._handshake.query))
        if not has_identity(authorizer.identity_sources, headers, query):
            self._refuse(401, "Unauthorized")
            return
        event = authorizer_event(self._stage.api, self._context(), self._moment, self._request_id, self._handshake)
        self._stage.calls.invoke(FunctionIntegration(authorizer.function), event, self._authorized)

    def _authorized(self, invocation: Invocation) -> None:
        decision = decide(invocation, connect_arn(self._stage.api))
        if isinstance(decision, Allowed):
            latency_ms = self._stage.clock.moment().epoch_ms - self._moment.epoch_ms
            self._authorizer_members = {
                **decision.context,
                "principalId": decision.principal_id,
                "integrationLatency": latency_ms,
            }
            self._connect()
        else:
            self._refuse(decision.status, decision.message)

    def _connect(self) -> None:
        route = self._stage.api.routes.get("$connect")
        if route is not None and isinstance(route.integration, FunctionIntegration):
            api, moment = self._stage.api, self._stage.clock.moment()
            event = connect_event(api, self._context(), moment, self._request_id, self._handshake)
            self._stage.calls.invoke(route.integration, event, self._connected)
        else:
            self._open(None)

    def _connected(self, invocation: Invocation) -> None:
        """Open or refuse, as `$connect` decided. The conformance suite has the table of outcomes."""
        if invocation is INTEGRATION_TIMED_OUT:
            self._refuse(504, ENDPOINT_TIMED_OUT)
        elif invocation.outcome is Outcome.THROTTLED:
            self._refuse(429, TOO_MANY_REQUESTS)
        else:
            status, subprotocol = _connect_answer(invocation)
            if 200 <= status < 300:
                self._open(subprotocol)
            else:
                self._refuse(status, HTTPStatus(status).phrase if status in _KNOWN_STATUSES else "Refused")

    def _open(self, subprotocol: str | None) -> None:
        if self._http.transport.is_closing():
            # The client left while `$connect` ran. `$disconnect` must still undo what `$connect` wrote.
            self._stage.disconnected(self._context(), 1006, ABNORMAL_REASON)
            return
        connection = WebSocketConnection(
            self._connection_id,
            self._context(),
            self._http.transport,
            self._stage,
            self._stage.limits,
            outgoing=self._stage.outgoing,
            now=self._stage.now,
        )
        self._stage.connection_opened(connection)
        if subprotocol is not None:
            self._accepted.headers["Sec-WebSocket-Protocol"] = subprotocol
        self._http.upgrade(self._accepted.serialize(), connection)

    def _refuse(self, status: int, message: str) -> None:
        body = {"message": message, "connectionId": self._connection_id, "requestId": self._request_id}
        self._http.respond(response(status, (("Content-Type", JSON_TYPE),), orjson.dumps(body)))

    def _context(self) -> bytes:
        return connection_context(
            self._stage.api,
            connection_id=self._connection_id,
            connected_at_ms=self._moment.epoch_ms,
            client=self._client,
            authorizer=self._authorizer_members,
        )

    @cached_property
    def _handshake(self) -> HandshakeRequest:
        headers = forwarded_headers(self._request, self._http.transport)
        return HandshakeRequest(tuple(headers), self._request.query)


def _client(request: HttpRequest, http: HttpConnection) -> Client:
    user_agent = request.header(b"user-agent")
    return Client(
        source_ip=source_ip(http.transport),
        user_agent=user_agent.decode("latin-1") if user_agent else None,
        host=request.header(b"host").decode("latin-1"),
    )


def _accept(request: HttpRequest) -> Response:
    """Return the answer to an upgrade request (RFC 6455, section 4.2): a 101, or the status of the refusal."""
    headers = Headers(list(request.decoded_headers()))
    upgrade = Request(request.target.decode("latin-1"), headers, method=request.method.decode())
    return ServerProtocol(logger=log).accept(upgrade)


def _connect_answer(invocation: Invocation) -> tuple[int, str | None]:
    """Return the status and the subprotocol of `$connect`'s answer. A failed function means 502."""
    if invocation.outcome is not Outcome.RETURNED:
        return 502, None
    try:
        answer = orjson.loads(invocation.payload)
    except orjson.JSONDecodeError:
        return 502, None
    status = _status(answer.get("statusCode")) if isinstance(answer, dict) else None
    if status is None:
        return 502, None
    subprotocol = _subprotocol(answer)
    return (status, subprotocol) if subprotocol is None or _SUBPROTOCOL(subprotocol) else (502, None)


def _status(value: object) -> int | None:
    if isinstance(value, str) and len(value) == 3 and value.isdecimal():
        value = int(value)
    return value if type(value) is int and 200 <= value < 600 else None


def _subprotocol(answer: dict[str, Any]) -> str | None:
    """Return the subprotocol that the headers of `$connect`'s answer select, or None."""
    for member in ("headers", "multiValueHeaders"):
        headers = answer.get(member)
        for name, value in headers.items() if isinstance(headers, dict) else ():
            if name.lower() == "sec-websocket-protocol":
                return str(value[0]) if isinstance(value, list) and value else str(value)
    return None
