"""CORS of an HTTP API: the headers and preflight answers that the gateway adds for pages of other origins.

Documented ("Configure CORS for HTTP APIs in API Gateway", Developer Guide):

- The gateway answers a preflight request itself if no route takes `OPTIONS`. A route that does gets the request;
  `$default` is one.
- The gateway adds the configured headers to an integration's response, and drops the response's own CORS headers.
- Without `Origin`, and for `OPTIONS` without `Access-Control-Request-Method`, it adds none.

Reported from AWS (serverless-application-model issue 1603): a route for `ANY` gets preflight requests as well, and the
gateway adds the headers to its answer.

The documents leave three cases open, and the gateway decides them so: its own preflight answer is a 204 for every path;
an origin that is not allowed gets no headers, but is not refused; an error without an integration has no headers.
"""

from __future__ import annotations

from collections.abc import Iterable

from local.gateway.api import CorsConfiguration
from local.gateway.http_messages import HttpRequest

Headers = list[tuple[str, str]]

HEADER_PREFIX = "access-control-"
"""If CORS is configured, only the gateway sets headers with this prefix."""


class CrossOrigin:
    """The headers that a CORS configuration adds to responses. All but the origin are prepared once."""

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
        """Return the headers to add to the response to `request`."""
        origin = request.header(b"origin").decode("latin-1")
        allowed = self._allowed(origin) if origin and origin.isascii() and origin.isprintable() else None
        if allowed is None:
            return []
        of_all = (f"{HEADER_PREFIX}allow-origin", allowed)
        if request.method != b"OPTIONS":
            return [of_all, *self._of_responses]
        return [of_all, *self._of_preflights] if request.header(b"access-control-request-method") else []

    def _allowed(self, origin: str) -> str | None:
        """Return the value of `access-control-allow-origin` for a page of `origin`, or None."""
        patterns = self._configuration.allow_origins
        if "*" in patterns:
            return "*"
        return origin if any(_matches(pattern, origin) for pattern in patterns) else None


def _matches(pattern: str, origin: str) -> bool:
    """Return whether an origin equals a pattern, or begins with a pattern that ends in `*` (`https://*`)."""
    return origin.startswith(pattern[:-1]) if pattern.endswith("*") else origin == pattern


def _headers(values: dict[str, Iterable[str]]) -> Headers:
    joined = {name: ",".join(each) for name, each in values.items()}
    return [(HEADER_PREFIX + name, value) for name, value in joined.items() if value]
