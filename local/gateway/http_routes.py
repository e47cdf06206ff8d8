"""The selection of an HTTP API's route for a request.

The most specific match wins: a literal segment before a `{parameter}`, that before a `{greedy+}` one, a named method
before `ANY`, and `$default` last. Source: "Create routes for HTTP APIs in API Gateway" (Developer Guide).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from local.gateway.api import HttpRoute

_PARAMETER = re.compile(r"\{([^{}+]+)(\+?)\}").fullmatch


class Match(NamedTuple):
    """A route, and the values of its path parameters."""

    route: HttpRoute
    path_parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Pattern:
    route: HttpRoute
    method: str
    expression: re.Pattern[str]
    rank: tuple[tuple[int, ...], bool]


class HttpRoutes:
    """The routes of an HTTP API, the most specific first. Raises ValueError for a malformed route key."""

    def __init__(self, routes: Iterable[HttpRoute]) -> None:
        self._default: HttpRoute | None = None
        patterns = []
        for route in routes:
            if route.key == "$default":
                self._default = route
            else:
                patterns.append(_pattern(route))
        self._patterns = sorted(patterns, key=lambda pattern: pattern.rank)

    def match(self, method: str, path: str) -> Match | None:
        """Return the route of a request, or None."""
        for pattern in self._patterns:
            if pattern.method in (method, "ANY") and (found := pattern.expression.fullmatch(path)):
                names = _parameter_names(pattern.route.key)
                return Match(pattern.route, dict(zip(names, found.groups(), strict=True)))
        return Match(self._default, {}) if self._default is not None else None


def _pattern(route: HttpRoute) -> _Pattern:
    method, _, path = route.key.partition(" ")
    if not path.startswith("/"):
        raise ValueError(f"the route key {route.key!r} is neither `$default` nor `METHOD /path`")
    ranks, expression = [], ""
    for segment in path[1:].split("/"):
        rank, pattern = _segment(segment)
        ranks.append(rank)
        expression += f"/{pattern}"
    return _Pattern(route, method, re.compile(expression, re.DOTALL), (tuple(ranks), method == "ANY"))


def _segment(segment: str) -> tuple[int, str]:
    parameter = _PARAMETER(segment)
    if parameter is None:
        return 0, re.escape(segment)
    return (2, "(.+)") if parameter[2] else (1, "([^/]+)")


def _parameter_names(key: str) -> list[str]:
    segments = key.partition(" ")[2][1:].split("/")
    return [found[1] for segment in segments if (found := _PARAMETER(segment))]
