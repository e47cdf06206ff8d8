"""Asking a compute's rule `authorize`, before anything else about a request is looked at."""

from __future__ import annotations

import logging

import msgspec

from push.authorizing import RuleFailedError, forbidden, is_permitted
from push.callers import Caller
from push.computes import AnyCompute, Scope

logger = logging.getLogger(__name__)


def is_personal(compute: AnyCompute) -> bool:
    """Say whether the caller decides about a request, and not the tenant and the params alone."""
    return compute.scope is Scope.PRINCIPAL or compute.authorize is not None


def check_permission(compute: AnyCompute, caller: Caller, params: msgspec.Struct) -> None:
    """Check that a caller may request a result.

    Raises:
        RequestError: it may not, or the rule failed (`forbidden`).

    """
    if compute.authorize is None:
        return
    try:
        permitted = is_permitted(compute.authorize, caller, params)
    except RuleFailedError as exc:
        # A defect of the rule must not open what it guards.
        logger.exception("`authorize` of %s failed, so the request is refused", compute.name)
        raise forbidden(compute.name) from exc
    if not permitted:
        raise forbidden(compute.name)
