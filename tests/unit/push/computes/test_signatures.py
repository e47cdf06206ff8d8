"""Signatures: a function's parameters are its params, and what can't be offered is refused with a sentence."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

import msgspec
import pytest

from push import Caller, Context, compute
from push.computes import AnyCompute, Scope, Tenant
from push.errors import DeclarationError, ErrorCode, RequestError

CALLER = Caller(tenant=Tenant("acme"), principal="ann", connection_id="c")


class Address(msgspec.Struct, frozen=True):
    city: str
    lines: list[str] = []


NEW = ["new"]


class Foreign:
    """Something that JSON can't hold."""


@compute
async def plainest(number: int) -> int:
    """Square a number."""
    return number**2


@compute(
    name="find-orders", version=3, ttl=5, stale_ttl=6, failure_ttl=7, timeout=8, scope="principal", tags=["orders"]
)
async def find_orders(
    context: Context,
    customer: Annotated[str, msgspec.Meta(min_length=1)],
    *,
    status: Literal["open", "sent"] | None = None,
    since: dt.date = dt.date(2020, 1, 1),
    address: Address | None = None,
    labels: list[str] = NEW,
) -> dict[str, Any]:
    """Orders of a customer.

    Newest first.
    """
    return {"customer": customer, "attempt": context.attempt, "labels": labels}


def parse(compute: AnyCompute, raw: bytes) -> Any:
    return compute.parse_params(raw)


def test_without_arguments_the_name_is_the_functions_and_the_times_are_careful() -> None:
    assert (plainest.name, plainest.version, plainest.scope, plainest.doc) == (
        "plainest",
        1,
        Scope.TENANT,
        "Square a number.",
    )
    times = (plainest.ttl_seconds, plainest.stale_ttl_seconds, plainest.failure_ttl_seconds, plainest.timeout_seconds)
    assert times == (60.0, 0.0, 2.0, 20.0)


def test_arguments_replace_them() -> None:
    assert (find_orders.name, find_orders.version, find_orders.scope) == ("find-orders", 3, Scope.PRINCIPAL)
    assert (find_orders.ttl_seconds, find_orders.timeout_seconds) == (5, 8)
    assert find_orders.doc == "Orders of a customer.\n\nNewest first."


async def test_a_compute_is_called_like_its_function() -> None:
    assert await plainest(7) == 49


async def test_params_become_the_arguments() -> None:
    params = parse(find_orders, b'{"customer":"ann","address":{"city":"Rome"},"status":"open"}')
    assert (params.status, params.since, params.address) == ("open", dt.date(2020, 1, 1), Address("Rome"))
    value = await find_orders.invoke(params, Context(tenant=Tenant("acme"), attempt=2))
    assert value == {"customer": "ann", "attempt": 2, "labels": ["new"]}


def test_a_mutable_default_is_each_requests_own() -> None:
    one, other = (parse(find_orders, b'{"customer":"ann"}') for _ in range(2))
    one.labels.append("changed")
    assert other.labels == ["new"]


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"customer":""}',
        b'{"customer":1}',
        b'{"customer":"a","status":"lost"}',
        b'{"customer":"a","since":"yesterday"}',
        b'{"customer":"a","address":{}}',
        b'{"customer":"a","custmer":"b"}',
        b'{"customer":"a","context":1}',
    ],
)
def test_params_that_do_not_fit_the_signature_are_refused(raw: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        parse(find_orders, raw)
    assert caught.value.code is ErrorCode.INVALID_PARAMS


def test_a_function_without_params_takes_an_empty_object() -> None:
    @compute
    async def now(context: Context) -> int:
        return context.attempt

    parse(now, b"{}")
    with pytest.raises(RequestError):
        parse(now, b'{"a":1}')


def test_tags_are_those_given_or_made_of_the_params_that_their_function_names() -> None:
    assert find_orders.tags(parse(find_orders, b'{"customer":"a"}')) == ("orders",)

    @compute(tags=lambda customer: (f"orders/{customer}",))
    async def orders(customer: str, page: int = 0) -> int:
        return page

    assert orders.tags(parse(orders, b'{"customer":"ann","page":3}')) == ("orders/ann",)


def test_a_rule_sees_the_caller_and_the_params_that_it_names() -> None:
    @compute(authorize=lambda caller, customer: caller.principal == customer)
    async def orders(customer: str, page: int = 0) -> int:
        return page

    assert orders.authorize is not None
    asked = [orders.authorize(CALLER, parse(orders, b'{"customer":"%s"}' % name)) for name in (b"ann", b"bob")]
    assert asked == [True, False]


def test_a_rule_of_a_struct_sees_the_struct() -> None:
    @compute(authorize=lambda caller, params: params.city == caller.tenant, tags=lambda params: (params.city,))
    async def weather(params: Address) -> str:
        return params.city

    assert weather.params is Address
    assert weather.authorize is not None
    assert weather.authorize(CALLER, Address("acme"))
    assert weather.tags(Address("rome")) == ("rome",)


def test_a_plain_function_is_for_a_thread() -> None:
    @compute
    def plain(number: int) -> int:
        return number

    assert plain.is_blocking
    assert not plainest.is_blocking


def untyped(thing) -> None: ...


def positional(thing: int, /) -> None: ...


def many(*things: int) -> None: ...


def anything(**things: int) -> None: ...


def foreign(thing: Foreign) -> None: ...


def nested(thing: list[dict[str, Foreign]]) -> None: ...


def ambiguous(thing: list[int] | set[int]) -> None: ...


def unknown(thing: Missing) -> None: ...  # noqa: F821


def unfitting(thing: str = None) -> None: ...  # noqa: RUF013


def unfit_bound(thing: Annotated[int, msgspec.Meta(ge=1)] = 0) -> None: ...


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (untyped, "the parameter `thing` has no type. Annotate it."),
        (positional, "remove the `/`"),
        (many, "one parameter that is a list"),
        (anything, "one parameter that is a dict"),
        (foreign, "the type `Foreign`, which JSON can't hold. Use str, int"),
        (nested, "the type `Foreign`, which JSON can't hold"),
        (ambiguous, "can't be a schema"),
        (unknown, "the type of `thing` can't be found: name 'Missing' is not defined. Import it at the module's top"),
        (unfitting, "the default of `thing` does not fit its type"),
        (unfit_bound, "the default of `thing` does not fit its type"),
    ],
)
def test_a_signature_that_is_no_schema_is_refused_with_place_and_remedy(function: Any, sentence: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        compute(function)
    line = function.__code__.co_firstlineno
    assert caught.value.message.startswith(f"{__file__}:{line}: `{function.__name__}`")
    assert sentence in caught.value.message


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "No Name"}, "'No Name' is not a valid name for a compute. Give `name=`"),
        ({"ttl": -1}, "`ttl` is -1. Give a number of seconds"),
        ({"scope": "everybody"}, "no scope is named 'everybody'. Use one of tenant, principal, shared."),
        ({"tags": "orders"}, "`tags` is a string. Write `tags=('orders',)`."),
        ({"tags": lambda nobody: ()}, "takes `nobody`, which is no parameter of"),
        ({"authorize": lambda caller, nobody: True}, "Name its parameters: number."),
    ],
)
def test_an_argument_that_can_not_be_is_refused_with_a_remedy(arguments: dict[str, Any], sentence: str) -> None:
    async def offered(number: int) -> int:
        return number

    with pytest.raises(DeclarationError, match=re.escape(sentence)):
        compute(**arguments)(offered)
