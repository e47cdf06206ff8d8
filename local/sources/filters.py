"""Event filters, which select the records that a function gets.

Source: "Control which events Lambda sends to your function" (Developer Guide). Patterns have EventBridge's syntax.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

_COMPARISONS = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


class EventFilters:
    """The filters of one mapping. A record passes if it matches one of them, or if there are none."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [json.loads(pattern) for pattern in patterns]

    def match(self, record: Mapping[str, Any]) -> bool:
        """Return whether `record` passes."""
        if not self._patterns:
            return True
        seen = dict(record)
        if isinstance(seen.get("body"), str):  # a pattern may match inside an SQS message's body if that is JSON
            seen["body"] = _parsed(seen["body"])
        if isinstance(seen.get("kinesis"), Mapping):  # and it matches the data of a Kinesis record beside its key
            seen |= {**seen["kinesis"], "data": _parsed(_decoded(seen["kinesis"]["data"]))}
        return any(_matches_object(seen, pattern) for pattern in self._patterns)


def _decoded(data: str) -> str:
    return base64.b64decode(data).decode(errors="replace")


def _parsed(body: str) -> Any:  # noqa: ANN401  # JSON, or the text as it is
    try:
        return json.loads(body)
    except ValueError:
        return body


def _matches_object(value: object, pattern: Mapping[str, Any]) -> bool:
    if "$or" in pattern:
        rest = {key: each for key, each in pattern.items() if key != "$or"}
        return any(_matches_object(value, rest | choice) for choice in pattern["$or"])
    if not isinstance(value, Mapping):
        return False
    return all(_matches_member(value, key, wanted) for key, wanted in pattern.items())


def _matches_member(value: Mapping[str, Any], key: str, wanted: Any) -> bool:  # noqa: ANN401  # JSON
    if isinstance(wanted, Mapping):
        return _matches_object(value.get(key), wanted)
    if key not in value:
        return any(rule == {"exists": False} for rule in wanted)
    found = value[key] if isinstance(value[key], list) else [value[key]]
    return any(_matches_rule(each, rule) for each in found for rule in wanted)


def _matches_rule(value: Any, rule: Any) -> bool:  # noqa: ANN401  # JSON
    if not isinstance(rule, Mapping):
        return bool(value == rule) and isinstance(value, bool) == isinstance(rule, bool)
    ((name, operand),) = rule.items()
    match name:
        case "exists":
            return bool(operand)
        case "prefix":
            return isinstance(value, str) and value.startswith(operand)
        case "suffix":
            return isinstance(value, str) and value.endswith(operand)
        case "equals-ignore-case":
            return isinstance(value, str) and value.casefold() == operand.casefold()
        case "anything-but":
            return not any(_matches_rule(value, each) for each in (operand if isinstance(operand, list) else [operand]))
        case "numeric":
            return _matches_numbers(value, operand)
        case _:
            return False


def _matches_numbers(value: object, operand: Sequence[Any]) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    pairs = zip(operand[::2], operand[1::2], strict=True)
    return all(_COMPARISONS[comparison](value, bound) for comparison, bound in pairs)
