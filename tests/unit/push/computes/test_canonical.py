"""Canonical params: equal params share a key and reach the function alike, however they are spelled."""

from __future__ import annotations

import datetime as dt
import decimal
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import msgspec
import pytest

from push import compute
from push.computes import AnyCompute, Tenant
from push.errors import RequestError
from push.keys import make_key


@dataclass
class Range:
    low: float
    high: float = 0.0


class Place(NamedTuple):
    x: float
    y: float


class Window(TypedDict):
    since: dt.datetime


class Tree(msgspec.Struct, frozen=True):
    value: decimal.Decimal = decimal.Decimal(0)
    children: list[Tree] = []


class Anything(msgspec.Struct, frozen=True):
    """Params of all kinds."""

    number: float = 0.0
    either: int | float = 0
    time: dt.datetime | None = None
    amount: decimal.Decimal = decimal.Decimal(0)
    words: set[str] = set()
    mixed: frozenset[int | str] = frozenset()
    pairs: dict[str, list[dt.datetime]] = {}
    range: Range = Range(0)
    place: Place = Place(0, 0)
    window: Window | None = None
    tree: Tree = Tree()
    more: Any = None
    raw: msgspec.Raw = msgspec.Raw(b"null")
    fixed: tuple[float, str] = (0.0, "")


@compute
async def anything(params: Anything) -> None:
    """Take all kinds of params."""


def digest(raw: str, compute: AnyCompute = anything) -> str:
    return make_key(Tenant("acme"), compute, compute.parse_params(raw.encode())).digest


EQUAL = [
    ('{"number":1}', '{"number":1.0}', '{"number":1e0}', '{"number":10e-1}'),
    ("{}", '{"number":-0.0}', '{"number":0}', '{"range":{"low":-0.0}}', '{"place":[-0.0,0]}', '{"fixed":[-0.0,""]}'),
    ('{"either":2}', '{"either":2.0}', '{"either":2e0}'),
    ('{"more":{"a":1,"b":[2.0]}}', '{"more":{"b":[2],"a":1.0}}'),
    ('{"raw":{"a":1,"b":[2.0]}}', '{"raw": {"b":[2], "a":1.0} }'),
    (
        '{"time":"2026-03-01T12:00:00Z"}',
        '{"time":"2026-03-01T13:00:00+01:00"}',
        '{"time":"2026-03-01T12:00:00.000-00:00"}',
    ),
    ('{"window":{"since":"2026-03-01T12:00:00Z"}}', '{"window":{"since":"2026-03-01T13:00:00+01:00"}}'),
    ('{"pairs":{"a":["2026-03-01T12:00:00Z"],"b":[]}}', '{"pairs":{"b":[],"a":["2026-03-01T11:00:00-01:00"]}}'),
    ('{"amount":"1.5"}', '{"amount":1.50}', '{"amount":"1.500"}', '{"amount":"0.15e1"}'),
    ('{"amount":"100"}', '{"amount":"1E+2"}', '{"amount":100}', '{"amount":"100.00"}'),
    ("{}", '{"amount":"-0.00"}', '{"tree":{"value":"0e5"}}'),
    ('{"words":["b","a","b"]}', '{"words":["a","b"]}'),
    ('{"mixed":[2,"b","a",1]}', '{"mixed":["a","b",1,2]}'),
    ('{"tree":{"children":[{"value":"2.0"}]}}', '{"tree":{"children":[{"value":2,"children":[]}],"value":0}}'),
    ('{"more":"\\u00fc"}', '{"more":"\u00fc"}'),
]


@pytest.mark.parametrize("spellings", EQUAL)
def test_equal_params_share_a_key(spellings: tuple[str, ...]) -> None:
    assert len({digest(each) for each in spellings}) == 1


def test_other_params_do_not() -> None:
    assert len({digest(spellings[0]) for spellings in EQUAL}) == len(EQUAL) - 1  # the empty ones are there twice
    assert digest('{"time":"2026-03-01T12:00:00"}') != digest('{"time":"2026-03-01T12:00:00Z"}')
    long = "1.2345678901234567890123456789012345"
    assert digest(f'{{"amount":"{long}"}}') != digest(f'{{"amount":"{long}6"}}')


def test_a_function_is_given_the_canonical_params() -> None:
    raw = b'{"time":"2026-03-01T13:00:00+01:00","amount":"1E+2","number":-0.0,"either":3.0}'
    params: Any = anything.parse_params(raw)
    assert params.time.tzinfo is dt.UTC
    assert (str(params.amount), str(params.number), str(params.either)) == ("100", "0.0", "3")


def test_a_default_is_not_changed_for_others() -> None:
    default = dt.datetime(2026, 3, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))

    @compute
    async def timed(time: dt.datetime = default) -> None:
        """Take a time."""

    assert digest("{}", timed) == digest('{"time":"2026-02-28T23:00:00Z"}', timed)


@pytest.mark.parametrize(
    "raw", ['{"amount":"NaN"}', '{"amount":"sNaN"}', '{"amount":"Infinity"}', '{"time":"0001-01-01T00:00:00+23:00"}']
)
def test_values_without_a_canonical_form_are_the_callers_mistake(raw: str) -> None:
    with pytest.raises(RequestError):
        digest(raw)


def test_params_that_parsing_makes_canonical_cost_nothing_more() -> None:
    @compute
    async def simple(text: str, number: int = 0, days: list[dt.date] | None = None) -> None:
        """Take params of few kinds."""

    assert simple.canonicalize is None
