"""Deployed APIs as read back from the control plane: what the gateway serves, and nothing it has to know otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FunctionIntegration:
    """AWS_PROXY: the event goes to a function (its deployed name)."""

    function: str
    timeout_seconds: float = 29.0


@dataclass(frozen=True, slots=True)
class MockIntegration:
    """MOCK: the answer is the integration response's template, without anything being called."""

    response_template: str | None


Integration = FunctionIntegration | MockIntegration


@dataclass(frozen=True, slots=True)
class Throttle:
    """A route's throttling: the requests per second that it takes in the long run, and how many at once."""

    rate_per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class WebSocketRoute:
    """One route; `has_response` tells that a RouteResponse `$default` and its selection expression are declared."""

    key: str
    integration: Integration
    has_response: bool
    authorizer: Authorizer | None = None
    throttle: Throttle | None = None


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A REQUEST authorizer of `$connect`.

    `identity_sources` are expressions such as `route.request.querystring.token`; when one is absent in the
    handshake, the gateway answers 401 and calls nothing.
    """

    function: str
    identity_sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WebSocketApi:
    """A deployed WebSocket API and its one stage; region and account appear in the authorizer's `methodArn`."""

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
    """A deployed HTTP API (payload format 2.0); its stage is `$default` unless named."""

    api_id: str
    stage: str
    routes: tuple[HttpRoute, ...]
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    account_id: str = "000000000000"
    cors: CorsConfiguration | None = None


@dataclass(frozen=True, slots=True)
class CorsConfiguration:
    """Which pages of other origins may use an HTTP API, and how; what is empty is not answered with."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_seconds: int | None = None
    allow_credentials: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """API Gateway's limits, which tests shorten.

    Source: "Quotas for configuring and running a WebSocket API in API Gateway" (Developer Guide).
    """

    frame_bytes: int = 32 * 1024
    message_bytes: int = 128 * 1024
    idle_seconds: float = 600.0
    connection_seconds: float = 7200.0
    outgoing_buffer_bytes: int = 4 * 1024 * 1024
    """Bytes that may wait for a slow client before `@connections` answers 429."""
    keeps_to_throttles: bool = True
    """Whether routes that are throttled take no more than that."""
