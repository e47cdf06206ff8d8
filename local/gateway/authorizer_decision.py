"""The decision of a REQUEST authorizer about a handshake.

Sources: "Control access to WebSocket APIs with Lambda REQUEST authorizers" and "Output from an API Gateway Lambda
authorizer" (Developer Guide); IAM's policy language for the wildcards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from local.functions.invocation import Invocation, Outcome

INVOKE_ACTION: Final = "execute-api:Invoke"
MAX_ANSWER_BYTES: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class Allowed:
    """The handshake may continue. Later events carry `context`, with values as strings."""

    principal_id: str
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refused:
    """The handshake ends with this status and message."""

    status: int
    message: str


Decision = Allowed | Refused

UNAUTHORIZED: Final = Refused(401, "Unauthorized")
FORBIDDEN: Final = Refused(403, "Forbidden")
MISCONFIGURED: Final = Refused(500, "Internal server error")


class _MalformedAnswerError(Exception):
    pass


def has_identity(sources: Iterable[str], headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
    """Return whether every identity source has a value. Names in `headers` are lower-case.

    Sources outside of the handshake (stage variables, `context`) always count as present.
    """
    for source in sources:
        place, _, name = source.removeprefix("route.request.").partition(".")
        if place == "header" and not headers.get(name.lower()):
            return False
        if place == "querystring" and not query.get(name):
            return False
    return True


def decide(invocation: Invocation, method_arn: str) -> Decision:
    """Return the decision about a call of `method_arn` from the outcome of the authorizer's invocation."""
    if invocation.outcome is Outcome.RAISED and _error_message(invocation.payload) == "Unauthorized":
        return UNAUTHORIZED
    if invocation.outcome is not Outcome.RETURNED or len(invocation.payload) > MAX_ANSWER_BYTES:
        return MISCONFIGURED
    try:
        answer = _mapping(orjson.loads(invocation.payload))
        allowed = Allowed(_principal_id(answer), _context(answer.get("context")))
        statements = _statements(answer)
        return allowed if is_allowed(statements, method_arn) else FORBIDDEN
    except (_MalformedAnswerError, orjson.JSONDecodeError):
        return MISCONFIGURED


def is_allowed(statements: Iterable[Mapping[str, Any]], method_arn: str) -> bool:
    """Return whether IAM statements allow invoking `method_arn`: a Deny wins, and without an Allow the answer is no.

    Conditions are not evaluated. To be strict, a statement with a condition counts if it denies, not if it allows.
    """
    matching = [statement for statement in statements if _applies(statement, method_arn)]
    if any(statement.get("Effect") == "Deny" for statement in matching):
        return False
    return any(statement.get("Effect") == "Allow" and not statement.get("Condition") for statement in matching)


def matches(pattern: str, text: str) -> bool:
    """Match IAM's wildcards: `*` for any run of characters, `?` for one. Only the last `*` is backtracked to."""
    at = read = 0
    star, resume = -1, 0
    while read < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, resume = at, read
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[read]):
            at += 1
            read += 1
        elif star >= 0:
            resume += 1
            at, read = star + 1, resume
        else:
            return False
    return all(rest == "*" for rest in pattern[at:])


def _applies(statement: Mapping[str, Any], method_arn: str) -> bool:
    return _one_matches(statement, "Action", INVOKE_ACTION.lower(), lower=True) and _one_matches(
        statement, "Resource", method_arn, lower=False
    )


def _one_matches(statement: Mapping[str, Any], element: str, text: str, *, lower: bool) -> bool:
    """Return whether a statement's element, or its `Not` form, covers the text. IAM ignores the case of actions."""
    if element in statement:
        return any(matches(p.lower() if lower else p, text) for p in _strings(statement[element]))
    negated = f"Not{element}"
    if negated in statement:
        return not any(matches(p.lower() if lower else p, text) for p in _strings(statement[negated]))
    raise _MalformedAnswerError(element)


def _statements(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    statements = _mapping(answer.get("policyDocument")).get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list):
        raise _MalformedAnswerError("Statement")
    return [_mapping(statement) for statement in statements]


def _strings(value: object) -> list[str]:
    values: list[object] = value if isinstance(value, list) else [value]
    strings = [item for item in values if isinstance(item, str)]
    if len(strings) != len(values):
        raise _MalformedAnswerError("a policy element is not a string")
    return strings


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _MalformedAnswerError("not an object")
    return value


def _principal_id(answer: Mapping[str, Any]) -> str:
    principal_id = answer.get("principalId")
    if not isinstance(principal_id, str | int) or isinstance(principal_id, bool):
        raise _MalformedAnswerError("principalId")
    return str(principal_id)


def _context(value: object) -> dict[str, str]:
    """Return the context with its values as strings, as later events carry them. Nested values are malformed."""
    if value is None:
        return {}
    return {name: _stringified(item) for name, item in _mapping(value).items()}


def _stringified(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return orjson.dumps(value).decode()
    raise _MalformedAnswerError("context")


def _error_message(payload: bytes) -> object:
    try:
        error = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    return error.get("errorMessage") if isinstance(error, dict) else None
