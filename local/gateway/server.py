"""The gateway: one port that serves a WebSocket API, its `@connections`, an HTTP API and the runtime's own pages."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from local.functions.invocation import FunctionService
from local.gateway.api import FunctionIntegration, HttpApi, Limits, WebSocketApi
from local.gateway.handshake import Handshake
from local.gateway.http_api import HttpApiStage
from local.gateway.http_connection import HttpConnection
from local.gateway.http_messages import HttpRequest, message_response, response
from local.gateway.integration_calls import IntegrationCalls
from local.gateway.live_subscriptions import LiveSubscriptions
from local.gateway.management_api import ManagementApi
from local.gateway.request_clock import RequestClock
from local.gateway.request_ids import RequestIds
from local.gateway.websocket_stage import WebSocketStage

ExtraRoute = Callable[[], Awaitable[tuple[int, str, bytes]]]
"""Makes a page, as its status, content type and body."""

OwnRoute = Callable[[HttpRequest, HttpConnection], None]
"""Answers a request of any method, at once or later."""

KEEP_ALIVE_SECONDS: Final = 75.0
LINGER_SECONDS: Final = 2.0
CLOSE_SECONDS: Final = 3.0

_CONNECTIONS_OF_A_STAGE = re.compile(rb"(?:/[^/]+)?/(?:@|%40)connections/").match
_LISTEN_BACKLOG = 4096
_SWEEPS_PER_LIMIT = 20
_SWEEP_SECONDS = (0.02, 1.0)

_NOT_FOUND = message_response(404, "Not Found")
_FORBIDDEN = message_response(403, "Forbidden")
_METHOD_NOT_ALLOWED = message_response(405, "Method Not Allowed", [("Allow", "GET, HEAD")])

log = logging.getLogger(__name__)


class Gateway:
    """Serves deployed APIs on one port of one event loop, as strictly as API Gateway does.

    WebSockets are at `/<stage>`, and the management API is at `/<stage>/@connections/<id>`. `extra_routes` and
    `own_routes` are exact paths. The HTTP API gets all other requests. Raises ValueError for an API with a malformed
    route key or route selection expression.
    """

    def __init__(
        self,
        websocket_api: WebSocketApi | None,
        http_api: HttpApi | None,
        limits: Limits,
        functions: FunctionService,
        extra_routes: Mapping[str, ExtraRoute] | None = None,
        *,
        own_routes: Mapping[str, OwnRoute] | None = None,
        now: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._calls = IntegrationCalls(functions, now)
        clock, ids = RequestClock(wall_clock), RequestIds()
        self._stage: WebSocketStage | None = None
        self._management: ManagementApi | None = None
        self._websocket_paths: frozenset[bytes] = frozenset()
        if websocket_api is not None:
            self._stage = WebSocketStage(websocket_api, limits, self._calls, clock=clock, ids=ids, now=now)
            self._management = ManagementApi(self._stage)
            path = f"/{websocket_api.stage}".encode()
            self._websocket_paths = frozenset((path, path + b"/"))
        self._http_api: HttpApiStage | None = None
        if http_api is not None:
            self._http_api = HttpApiStage(http_api, limits, self._calls, clock=clock, ids=ids, now=now)
        self._extra_routes = {path.encode(): route for path, route in (extra_routes or {}).items()}
        self._own_routes = {path.encode(): route for path, route in (own_routes or {}).items()}
        self._pages: set[asyncio.Task[None]] = set()
        self._http_connections: set[HttpConnection] = set()
        self._sweep_seconds = _sweep_seconds(websocket_api, http_api, limits)
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._server: asyncio.Server | None = None
        self._swept: asyncio.Event | None = None

    # Life

    async def start(self, host: str = "127.0.0.1", port: int = 8080, listener: socket.socket | None = None) -> None:
        """Listen, on `listener` if one is given. The gateway closes it with itself.

        Raises OSError if the port is in use. Port 0 means a free one; `address` returns it.
        """
        loop = asyncio.get_running_loop()
        where = {"host": host, "port": port} if listener is None else {"sock": listener}
        self._server = await loop.create_server(
            lambda: HttpConnection(self, self._now), backlog=_LISTEN_BACKLOG, **where
        )
        self._sweep_timer = loop.call_later(self._sweep_seconds, self._sweep)

    async def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Stop listening, close every WebSocket with 1001, and let `$disconnect` and answers under way end.

        After about `timeout_seconds`, abort the connections that are still open.
        """
        if self._server is None:
            return
        self._server.close()
        self._server = None
        swept = self._sweep_often()
        try:
            async with asyncio.timeout(timeout_seconds):
                while not self._is_quiet:
                    self._dismiss()
                    swept.clear()
                    await swept.wait()
        except TimeoutError:
            log.warning("the gateway aborts connections that did not end within %g seconds", timeout_seconds)
        self._cut()

    @property
    def address(self) -> tuple[str, int]:
        """The host and port that the gateway listens on."""
        if self._server is None:
            raise RuntimeError("the gateway is not listening")
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    # Counters

    @property
    def connections(self) -> int:
        """The number of open WebSockets."""
        return len(self._stage.connections) if self._stage is not None else 0

    @property
    def messages_in(self) -> int:
        """The number of messages from clients since the start."""
        return self._stage.messages_in if self._stage is not None else 0

    @property
    def messages_out(self) -> int:
        """The number of messages to clients since the start: answers, pushes and error frames."""
        return self._stage.messages_out if self._stage is not None else 0

    @property
    def pushes(self) -> Mapping[int, int]:
        """The number of `POST @connections` since the start, by the status of the answer."""
        return dict(self._management.pushes) if self._management is not None else {}

    # Subscriptions

    def remember_subscriptions(self) -> None:
        """Remember the subscriptions to live results from now on, for `repeat_subscriptions`."""
        if self._stage is not None:
            self._stage.live = LiveSubscriptions()

    def repeat_subscriptions(self, computes: Collection[str]) -> None:
        """Repeat subscriptions to results of computes, so that the service computes them and pushes what changed."""
        if self._stage is not None:
            self._stage.repeat_subscriptions(computes)

    # Requests

    def connection_opened(self, connection: HttpConnection) -> None:
        """Note a new connection."""
        self._http_connections.add(connection)

    def connection_lost(self, connection: HttpConnection) -> None:
        """Forget a connection that ended, or that became a WebSocket."""
        self._http_connections.discard(connection)

    def answer(self, request: HttpRequest, connection: HttpConnection) -> None:
        """Pass a request to the API or route that serves it."""
        if self._management is not None and self._management.serves(request.target):
            self._management.answer(request, connection)
            return
        path = request.target.partition(b"?")[0]
        if path in self._extra_routes:
            self._make_page(request, connection, self._extra_routes[path])
        elif path in self._own_routes:
            self._own_routes[path](request, connection)
        elif self._stage is not None and _unescaped(path) in self._websocket_paths:
            Handshake(self._stage, request, connection).begin()
        elif _is_misdirected(request, path):
            connection.respond(_FORBIDDEN)
        elif self._http_api is not None:
            self._http_api.answer(request, connection)
        else:
            connection.respond(_NOT_FOUND)

    def _make_page(self, request: HttpRequest, connection: HttpConnection, route: ExtraRoute) -> None:
        if request.method not in (b"GET", b"HEAD"):
            connection.respond(_METHOD_NOT_ALLOWED)
            return
        task = asyncio.get_running_loop().create_task(_answer_page(request, connection, route))
        self._pages.add(task)
        task.add_done_callback(self._pages.discard)

    # Time

    def _sweep(self) -> None:
        """Check every time limit. One timer serves all: one for each connection would cost more than the connection."""
        self._calls.sweep()
        if self._stage is not None:
            self._stage.sweep()
        self._sweep_http_connections()
        if self._swept is not None:
            self._swept.set()
        self._sweep_timer = asyncio.get_running_loop().call_later(self._sweep_seconds, self._sweep)

    def _sweep_http_connections(self) -> None:
        now = self._now()
        for connection in list(self._http_connections):
            idle_seconds = now - connection.last_active
            if connection.is_lingering:
                if idle_seconds > LINGER_SECONDS:
                    connection.transport.abort()
            elif connection.is_idle and idle_seconds > KEEP_ALIVE_SECONDS:
                connection.close()

    # Closing

    @property
    def _is_quiet(self) -> bool:
        stage_is_quiet = self._stage is None or self._stage.is_quiet
        return stage_is_quiet and not self._http_connections and not self._calls.in_flight

    def _sweep_often(self) -> asyncio.Event:
        """Sweep as often as possible. The event is set after each sweep."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        self._sweep_seconds = _SWEEP_SECONDS[0]
        self._swept = asyncio.Event()
        self._sweep()
        return self._swept

    def _dismiss(self) -> None:
        """Close all open connections, including those that a handshake has opened since the last call."""
        if self._stage is not None:
            self._stage.close_all()
        for connection in list(self._http_connections):
            if connection.is_idle:
                connection.close()

    def _cut(self) -> None:
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        if self._stage is not None:
            self._stage.abort_all()
        for connection in list(self._http_connections):
            connection.transport.abort()


async def _answer_page(request: HttpRequest, connection: HttpConnection, route: ExtraRoute) -> None:
    status, content_type, body = await route()
    headers = [("Content-Type", content_type), ("Cache-Control", "no-store")]
    connection.respond(response(status, headers, body, head=request.method == b"HEAD"))


def _is_misdirected(request: HttpRequest, path: bytes) -> bool:
    """Return whether a request is meant for a WebSocket API, but names another stage or none."""
    is_upgrade = request.upgrade and request.header(b"upgrade").lower() == b"websocket"
    return is_upgrade or _CONNECTIONS_OF_A_STAGE(path) is not None


def _unescaped(path: bytes) -> bytes:
    return unquote_to_bytes(path) if b"%" in path else path


def _sweep_seconds(websocket_api: WebSocketApi | None, http_api: HttpApi | None, limits: Limits) -> float:
    """Return the seconds between sweeps, which are short enough for the shortest time limit."""
    integrations = [route.integration for route in (websocket_api.routes.values() if websocket_api else ())]
    integrations += [route.integration for route in (http_api.routes if http_api else ())]
    timeouts = [each.timeout_seconds for each in integrations if isinstance(each, FunctionIntegration)]
    shortest = min(limits.idle_seconds, limits.connection_seconds, *timeouts)
    least, most = _SWEEP_SECONDS
    return min(max(shortest / _SWEEPS_PER_LIMIT, least), most)
