r"""The selection of a WebSocket message's route: API Gateway's route selection expressions.

An expression is `$request.body.action`, or text with any number of `${request.body.path}` in it; `\$` is a literal
dollar. Source: "Create routes for WebSocket APIs in API Gateway" (Developer Guide).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import orjson

DEFAULT_ROUTE: Final = "$default"

_MISSING: Final = object()
_VARIABLE = re.compile(r"\\\$|\$\{request\.body((?:\.[^.\[\]{}]+|\[\d+\])+)\}|\$request\.body((?:\.[\w-]+|\[\d+\])+)")
_STEP = re.compile(r"\.([^.\[\]{}]+)|\[(\d+)\]")

Path = tuple[str | int, ...]
Route = TypeVar("Route")


class RouteSelection:
    """A parsed route selection expression.

    Raises ValueError if the expression has a `$` that is neither escaped nor the start of a path of `request.body`.
    """

    __slots__ = ("_only_field", "_parts")

    def __init__(self, expression: str) -> None:
        self._parts = _parse(expression)
        only = self._parts[0] if len(self._parts) == 1 else ""
        # Nearly every API has `$request.body.action`, so one field is looked up without the general walk.
        self._only_field = only[0] if isinstance(only, tuple) and len(only) == 1 and isinstance(only[0], str) else None

    def key(self, message: str) -> str:
        """Return the route key of a message, or `$default` if the message is not JSON.

        A path without a value gives the empty string, which no route has as its key.
        """
        try:
            body = orjson.loads(message)
        except orjson.JSONDecodeError:
            return DEFAULT_ROUTE
        if self._only_field is not None:
            return _text(body.get(self._only_field, _MISSING)) if type(body) is dict else ""
        return "".join(part if isinstance(part, str) else _text(_follow(body, part)) for part in self._parts)

    def select(self, routes: Mapping[str, Route], message: str) -> Route | None:
        """Return the route of a message, or None if no route matches and there is no `$default`.

        Keys that begin with `$` are API Gateway's own, so a message cannot select `$connect`.
        """
        key = self.key(message)
        route = routes.get(key) if key[:1] != "$" else None
        return route if route is not None else routes.get(DEFAULT_ROUTE)


def _parse(expression: str) -> tuple[str | Path, ...]:
    parts: list[str | Path] = []
    end = 0
    for match in _VARIABLE.finditer(expression):
        parts.append(_static(expression[end : match.start()], expression))
        path = match[1] or match[2]
        parts.append(_path(path) if path else "$")
        end = match.end()
    parts.append(_static(expression[end:], expression))
    return tuple(part for part in parts if part)


def _static(text: str, expression: str) -> str:
    if "$" in text:
        raise ValueError(f"the route selection expression {expression!r} has a `$` that is not a path of request.body")
    return text


def _path(text: str) -> Path:
    return tuple(match[1] if match[1] is not None else int(match[2]) for match in _STEP.finditer(text))


def _follow(body: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON value
    for step in path:
        if isinstance(step, str):
            body = body.get(step, _MISSING) if isinstance(body, dict) else _MISSING
        else:
            body = body[step] if isinstance(body, list) and step < len(body) else _MISSING
    return body


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a JSON value as text for the route key. An array becomes `[item1, item2]`."""
    if type(value) is str:
        return value
    if value is _MISSING or value is None:
        return ""
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return orjson.dumps(value).decode()
