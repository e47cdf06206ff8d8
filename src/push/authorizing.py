"""The rule `authorize` of a compute: a plain function of the caller and the params, asked for every request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from push.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from push.callers import Caller


class RuleFailedError(Exception):
    """A rule raised, or returned something else than a bool; the caller must be refused."""


def is_permitted(rule: Callable[..., object], caller: Caller, params: msgspec.Struct) -> bool:
    """Ask a rule.

    Raises:
        RuleFailedError: the rule raised, or returned something else than a bool; the caller must be refused.

    """
    try:
        permitted = rule(caller, params)
    except Exception as exc:
        raise RuleFailedError(f"`authorize` raised {type(exc).__name__}.") from exc
    if not isinstance(permitted, bool):
        raise RuleFailedError(f"`authorize` returned {type(permitted).__name__}; it must return a bool.")
    return permitted


def forbidden(compute: str) -> RequestError:
    """Return the refusal of a request: the same whether or not a result exists."""
    sentence = f"You do not have permission to request {compute} with these params."
    return RequestError(sentence, code=ErrorCode.FORBIDDEN)
