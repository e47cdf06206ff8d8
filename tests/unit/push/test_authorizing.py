"""The rule `authorize` of a compute: what it is asked, and what counts as a yes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from push.authorizing import RuleFailedError, forbidden, is_permitted
from push.callers import Caller, JsonClaims
from push.computes import Tenant
from push.errors import ErrorCode

ADA = Caller(Tenant("acme"), "ada", claims=JsonClaims('{"customer":"c1"}'))


class Params(msgspec.Struct, frozen=True):
    customer: str = ""


def of_customer(caller: Caller, params: Params) -> bool:
    return caller.claims["customer"] == params.customer


def test_a_rule_sees_the_caller_its_claims_and_the_params() -> None:
    assert is_permitted(of_customer, ADA, Params("c1"))
    assert not is_permitted(of_customer, ADA, Params("c2"))


@pytest.mark.parametrize("answer", [None, 1, 0, "yes", ["ada"], 1.0], ids=repr)
def test_only_a_bool_is_an_answer(answer: object) -> None:
    rule: Callable[..., Any] = lambda _caller, params: answer  # noqa: E731 - it is asked with params
    with pytest.raises(RuleFailedError, match="must return a bool"):
        is_permitted(rule, ADA, Params())


def test_what_a_rule_raises_is_the_cause_of_its_failure() -> None:
    with pytest.raises(RuleFailedError) as caught:
        is_permitted(of_customer, Caller(Tenant("acme"), "bob"), Params())
    assert isinstance(caught.value.__cause__, KeyError)


def test_the_refusal_names_the_compute_and_nothing_else() -> None:
    refusal = forbidden("orders")
    assert refusal.code is ErrorCode.FORBIDDEN
    assert refusal.message == "You do not have permission to request orders with these params."
