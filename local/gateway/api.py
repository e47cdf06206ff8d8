"""Deployed APIs as read back from the control plane: everything that the gateway needs to serve them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FunctionIntegration:
    """An AWS_PROXY integration: the event goes to `function`, a deployed name."""

    function: str
    timeout_seconds: float = 29.0


@dataclass(frozen=True, slots=True)
class MockIntegration:
    """A MOCK integration: the answer is the integration response's template, and no function is called."""

    response_template: str | None


Integration = FunctionIntegration | MockIntegration


@dataclass(frozen=True, slots=True)
class Throttle:
    """A route's throttling: its sustained requests per second, and its burst in requests."""

    rate_per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class WebSocketRoute:
    """One route. `has_response`: a RouteResponse `$default` and its selection expression are declared."""

    key: str
    integration: Integration
    has_response: bool
    authorizer: Authorizer | None = None
    throttle: Throttle | None = None


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A REQUEST authorizer of `$connect`.

    `identity_sources` are expressions such as `route.request.querystring.token`. If the handshake lacks one, the
    gateway answers 401 without calling the function.
    """

    function: str
    identity_sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WebSocketApi:
    """A deployed WebSocket API and its one stage. The authorizer's `methodArn` contains region and account."""

    api_id: str
    stage: str
    selection_expression: str
    routes: Mapping[str, WebSocketRoute]
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    region: str = "us-east-1"
    account_id: str = "000000000000"


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """One route of an HTTP API: `key` is `$default` or `METHOD /path/{parameter}/{greedy+}`."""

    key: str
    integration: FunctionIntegration
    throttle: Throttle | None = None


@dataclass(frozen=True, slots=True)
class HttpApi:
    """A deployed HTTP API (payload format 2.0). Its stage may be `$default`."""

    api_id: str
    stage: str
    routes: tuple[HttpRoute, ...]
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    account_id: str = "000000000000"
    cors: CorsConfiguration | None = None


@dataclass(frozen=True, slots=True)
class CorsConfiguration:
    """The CORS configuration of an HTTP API. Empty members add no header."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_seconds: int | None = None
    allow_credentials: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """API Gateway's limits. Tests shorten them.

    Source: "Quotas for configuring and running a WebSocket API in API Gateway" (Developer Guide).
    """

    frame_bytes: int = 32 * 1024
    message_bytes: int = 128 * 1024
    idle_seconds: float = 600.0
    connection_seconds: float = 7200.0
    outgoing_buffer_bytes: int = 4 * 1024 * 1024
    """Bytes that wait for a slow client before `@connections` answers 429."""
    keeps_to_throttles: bool = True
    """Whether the gateway enforces the throttling of routes."""
