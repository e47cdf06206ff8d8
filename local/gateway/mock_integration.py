"""MOCK integrations: answers made from a template, without calling a function.

Of the template language, only references are supported (`$context.name`, `${context.name}`, `$stageVariables.name`):
an answer without an input needs no more. References without a value become empty, as in API Gateway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_REFERENCE = re.compile(r"\$(\{)?(context|stageVariables)((?:\.[A-Za-z_][\w-]*)+)(?(1)\})")


def is_constant(template: str) -> bool:
    """Return whether the template has no references, so that its answer is always the same."""
    return _REFERENCE.search(template) is None


def render(template: str, context: Mapping[str, Any], stage_variables: Mapping[str, str]) -> str:
    """Return the template with its references replaced. `context` is an event's `requestContext`."""
    roots: dict[str, Mapping[str, Any]] = {"context": context, "stageVariables": stage_variables}
    return _REFERENCE.sub(lambda match: _value(roots[match[2]], match[3][1:].split(".")), template)


def _value(root: Mapping[str, Any], path: list[str]) -> str:
    value: Any = root
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)
