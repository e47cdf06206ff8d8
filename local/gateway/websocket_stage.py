"""A deployed WebSocket API: its open connections, the routing of their messages, and its time limits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from functools import partial
from typing import Final, assert_never

import orjson
from websockets.frames import CloseCode

from local.functions.invocation import Invocation, Outcome
from local.gateway.api import FunctionIntegration, Limits, MockIntegration, WebSocketApi, WebSocketRoute
from local.gateway.integration_calls import INTEGRATION_TIMED_OUT, IntegrationCalls, OnEnd
from local.gateway.live_subscriptions import ROUTES, LiveSubscriptions
from local.gateway.mock_integration import is_constant, render
from local.gateway.outgoing import OutgoingWrites
from local.gateway.request_clock import RequestClock
from local.gateway.request_ids import RequestIds
from local.gateway.route_selection import RouteSelection
from local.gateway.throttling import TokenBucket, bucket
from local.gateway.websocket_connection import GOING_AWAY_REASON, NORMAL_REASON, WebSocketConnection
from local.gateway.websocket_events import disconnect_event, message_context, message_event

FORBIDDEN: Final = "Forbidden"
INTERNAL_SERVER_ERROR: Final = "Internal server error"
ENDPOINT_TIMED_OUT: Final = "Endpoint request timed out"
# The message for a throttled request is not documented; this one follows LimitExceeded, the error of `@connections`.
LIMIT_EXCEEDED: Final = "Limit Exceeded"

CLOSE_TIMEOUT_SECONDS: Final = 5.0
"""The time that a client has to end the TCP connection after the closing handshake."""

log = logging.getLogger(__name__)


class WebSocketStage:
    """The one stage of a WebSocket API, and its open connections.

    Route keys, templates and the selection expression are prepared once. Raises ValueError for a selection expression
    that API Gateway does not accept.
    """

    def __init__(
        self,
        api: WebSocketApi,
        limits: Limits,
        calls: IntegrationCalls,
        *,
        clock: RequestClock,
        ids: RequestIds,
        now: Callable[[], float],
    ) -> None:
        self.api = api
        self.limits = limits
        self.calls = calls
        self.clock = clock
        self.ids = ids
        self.now = now
        self.outgoing = OutgoingWrites()
        self.connections: dict[str, WebSocketConnection] = {}
        self.live: LiveSubscriptions | None = None
        """None unless subscriptions may have to be repeated."""
        self.messages_in = 0
        self.messages_out = 0
        self._closing: dict[WebSocketConnection, float] = {}
        self._selection = RouteSelection(api.selection_expression)
        self._routes = {
            key: _PreparedRoute(route, bucket(route.throttle, now(), is_kept=limits.keeps_to_throttles))
            for key, route in api.routes.items()
        }
        self._disconnect_route = api.routes.get("$disconnect")

    # Connections

    def connection_opened(self, connection: WebSocketConnection) -> None:
        """Register a connection, so that `@connections` finds it by its id."""
        self.connections[connection.connection_id] = connection

    def connection_ended(self, connection: WebSocketConnection, code: int, reason: str) -> None:
        """Forget a connection, and invoke `$disconnect` without waiting for the answer."""
        self.connections.pop(connection.connection_id, None)
        if self.live is not None:
            self.live.forget(connection.connection_id)
        self._closing[connection] = self.now() + CLOSE_TIMEOUT_SECONDS
        if code in _RULE_BROKEN:
            log.info("connection %s closed with %d: %s", connection.connection_id, code, reason)
        self.disconnected(connection.context, code, reason)

    def connection_lost(self, connection: WebSocketConnection) -> None:
        """Forget a connection whose TCP connection has ended."""
        self._closing.pop(connection, None)

    def disconnected(self, context: bytes, code: int, reason: str) -> None:
        """Invoke `$disconnect` for a connection, if there is such a route."""
        route = self._disconnect_route
        if route is not None and isinstance(route.integration, FunctionIntegration):
            event = disconnect_event(self.api, context, self.clock.moment(), self.ids.draw(), code, reason)
            self.calls.invoke(route.integration, event, _ignore)

    def is_connect_throttled(self) -> bool:
        """Take a token of `$connect`. Return whether there was none."""
        route = self._routes.get("$connect")
        return route is not None and route.bucket is not None and not route.bucket.take(self.now())

    def delete(self, connection: WebSocketConnection) -> None:
        """Close a connection at the application's request."""
        connection.close(CloseCode.NORMAL_CLOSURE, NORMAL_REASON)

    def sweep(self) -> None:
        """Close connections that are idle or open for too long, and abort those that do not finish closing."""
        now = self.now()
        idle_since = now - self.limits.idle_seconds
        opened_at = now - self.limits.connection_seconds
        overdue = [c for c in self.connections.values() if c.last_active <= idle_since or c.opened_at <= opened_at]
        for connection in overdue:
            connection.close(CloseCode.GOING_AWAY, GOING_AWAY_REASON)
        for connection in [c for c, deadline in self._closing.items() if deadline <= now]:
            connection.abort()

    def close_all(self) -> None:
        """Close every connection with 1001."""
        for connection in list(self.connections.values()):
            connection.close(CloseCode.GOING_AWAY, GOING_AWAY_REASON)

    def abort_all(self) -> None:
        """Abort the connections that have not finished closing."""
        for connection in list(self._closing):
            connection.abort()

    @property
    def is_quiet(self) -> bool:
        """Whether no TCP connection of this stage is open."""
        return not self.connections and not self._closing

    # Messages

    def message_received(self, connection: WebSocketConnection, text: str) -> None:
        """Call the integration of the message's route. Messages of one connection do not wait for each other."""
        self.messages_in += 1
        request_id = self.ids.draw()
        route = self._selection.select(self._routes, text)
        if route is None:
            log.info("connection %s sent a message without a matching route", connection.connection_id)
            self._send_error(connection, FORBIDDEN, request_id)
            return
        if route.bucket is not None and not route.bucket.take(self.now()):
            self._send_error(connection, LIMIT_EXCEEDED, request_id)
            return
        integration = route.integration
        match integration:
            case FunctionIntegration():
                on_end: OnEnd = partial(self._answered, connection, route, request_id)
                if self.live is not None and route.key in ROUTES:
                    on_end = self.live.noting(connection.connection_id, text, on_end)
                self.calls.invoke(integration, self._event(connection, route, request_id, text), on_end)
            case MockIntegration():
                self._mocked(connection, route, request_id)
            case _:
                assert_never(integration)

    def repeat_subscriptions(self, computes: Collection[str]) -> None:
        """Repeat the subscriptions to results of computes, without an answer to the clients."""
        for connection_id, text in self.live.of(computes) if self.live is not None else ():
            connection, route = self.connections.get(connection_id), self._selection.select(self._routes, text)
            if connection is not None and route is not None and isinstance(route.integration, FunctionIntegration):
                self.calls.invoke(route.integration, self._event(connection, route, self.ids.draw(), text), _ignore)

    def _event(self, connection: WebSocketConnection, route: _PreparedRoute, request_id: str, text: str) -> bytes:
        return message_event(route.key_json, connection.context, self.clock.moment(), request_id, self.ids.draw(), text)

    def send(self, connection: WebSocketConnection, message: bytes) -> bool:
        """Send a text message to a client. Return False if the connection has ended."""
        sent = connection.send(message)
        self.messages_out += sent
        return sent

    def _mocked(self, connection: WebSocketConnection, route: _PreparedRoute, request_id: str) -> None:
        if not route.has_response or route.template is None:
            return
        if route.constant is not None:
            self.send(connection, route.constant)
            return
        context = message_context(route.key, connection.context, self.clock.moment(), request_id, self.ids.draw())
        self.send(connection, render(route.template, context, self.api.stage_variables).encode())

    def _answered(
        self, connection: WebSocketConnection, route: _PreparedRoute, request_id: str, invocation: Invocation
    ) -> None:
        """Send the answer of a function to the client. Its `statusCode` has no effect."""
        if invocation is INTEGRATION_TIMED_OUT:
            log.warning("route %s: the integration timed out", route.key)
            self._send_error(connection, ENDPOINT_TIMED_OUT, request_id)
        elif invocation.outcome is not Outcome.RETURNED:
            log.warning("route %s: the function's invocation %s", route.key, invocation.outcome.value)
            self._send_error(connection, INTERNAL_SERVER_ERROR, request_id)
        elif route.has_response:
            self._respond(connection, route, request_id, invocation)

    def _respond(
        self, connection: WebSocketConnection, route: _PreparedRoute, request_id: str, invocation: Invocation
    ) -> None:
        body = invocation.answer if invocation.is_text else _proxy_body(invocation.payload)
        if body is None or len(body) > self.limits.message_bytes:
            log.warning("route %s: the function's answer is malformed or too large to send", route.key)
            self._send_error(connection, INTERNAL_SERVER_ERROR, request_id)
        elif body:
            self.send(connection, body)

    def _send_error(self, connection: WebSocketConnection, message: str, request_id: str) -> None:
        # The spacing is API Gateway's.
        frame = f'{{"message": "{message}", "connectionId":"{connection.connection_id}", "requestId":"{request_id}"}}'
        self.send(connection, frame.encode())


class _PreparedRoute:
    """A route with the values that all of its messages share."""

    __slots__ = ("bucket", "constant", "has_response", "integration", "key", "key_json", "template")

    def __init__(self, route: WebSocketRoute, bucket: TokenBucket | None) -> None:
        self.bucket = bucket
        self.key = route.key
        self.key_json = orjson.dumps(route.key)
        self.integration = route.integration
        self.has_response = route.has_response
        self.template = route.integration.response_template if isinstance(route.integration, MockIntegration) else None
        self.constant = self.template.encode() if self.template is not None and is_constant(self.template) else None


_RULE_BROKEN: Final = frozenset(
    (CloseCode.PROTOCOL_ERROR, CloseCode.UNSUPPORTED_DATA, CloseCode.INVALID_DATA, CloseCode.MESSAGE_TOO_BIG)
)


def _proxy_body(payload: bytes) -> bytes | None:
    """Return the `body` of a proxy answer: empty if there is nothing to send, None if the answer is malformed."""
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    if type(answer) is not dict:
        return None
    body = answer.get("body")
    if body is None:
        return b""
    return body.encode() if type(body) is str else None


def _ignore(invocation: Invocation) -> None:
    """Ignore an answer."""
