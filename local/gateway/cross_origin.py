"""CORS of an HTTP API: what the gateway itself says to pages of other origins.

Source: "Configure CORS for HTTP APIs in API Gateway" (Developer Guide). Documented there: preflight requests are
answered although no route takes `OPTIONS`; one that does (`$default` is one) gets them; the configured headers are
added to the integration's response, and those that it returns itself are ignored; without `Origin`, and for `OPTIONS`
without `Access-Control-Request-Method`, there are none. Seen on AWS by others: a route for `ANY` gets preflight
requests as well (serverless-application-model issue 1603), and the headers are added to its answer to them. What the
documents leave open is taken in the plainest sense: the gateway's own answer is a 204 whatever the path, an origin
that is not allowed is told nothing rather than refused, and errors that no integration has answered have no headers.
"""

from __future__ import annotations

from collections.abc import Iterable

from local.gateway.api import CorsConfiguration
from local.gateway.http_messages import HttpRequest

Headers = list[tuple[str, str]]

HEADER_PREFIX = "access-control-"
"""Headers with such names are the gateway's alone where CORS is configured."""


class CrossOrigin:
    """What a CORS configuration adds to responses. All but the origin is made once."""

    __slots__ = ("_configuration", "_of_preflights", "_of_responses")

    def __init__(self, configuration: CorsConfiguration) -> None:
        self._configuration = configuration
        credentials = ["true"] if configuration.allow_credentials else []
        self._of_responses = _headers(
            {"allow-credentials": credentials, "expose-headers": configuration.expose_headers}
        )
        max_age = [] if configuration.max_age_seconds is None else [str(configuration.max_age_seconds)]
        self._of_preflights = self._of_responses + _headers(
            {
                "allow-methods": configuration.allow_methods,
                "allow-headers": configuration.allow_headers,
                "max-age": max_age,
            }
        )

    def headers(self, request: HttpRequest) -> Headers:
        """Return the headers of the response to `request`, whoever makes it."""
        origin = request.header(b"origin").decode("latin-1")
        allowed = self._allowed(origin) if origin and origin.isascii() and origin.isprintable() else None
        if allowed is None:
            return []
        of_all = (f"{HEADER_PREFIX}allow-origin", allowed)
        if request.method != b"OPTIONS":
            return [of_all, *self._of_responses]
        return [of_all, *self._of_preflights] if request.header(b"access-control-request-method") else []

    def _allowed(self, origin: str) -> str | None:
        """Return what `access-control-allow-origin` says to a page of `origin`."""
        patterns = self._configuration.allow_origins
        if "*" in patterns:
            return "*"
        return origin if any(_matches(pattern, origin) for pattern in patterns) else None


def _matches(pattern: str, origin: str) -> bool:
    """Tell whether an origin is the one given, or begins as one that ends in `*` does (`https://*`)."""
    return origin.startswith(pattern[:-1]) if pattern.endswith("*") else origin == pattern


def _headers(values: dict[str, Iterable[str]]) -> Headers:
    joined = {name: ",".join(each) for name, each in values.items()}
    return [(HEADER_PREFIX + name, value) for name, value in joined.items() if value]
