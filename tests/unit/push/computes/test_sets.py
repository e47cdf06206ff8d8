"""Results with sets: equal results have equal JSON."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from push.computes.sets import order_sets
from push.sources.outcomes import encode_value

SCALARS = st.text(max_size=6) | st.integers(-(2**40), 2**40) | st.booleans() | st.none()
ELEMENTS = SCALARS | st.frozensets(SCALARS, max_size=4) | st.tuples(SCALARS, SCALARS)
VALUES = st.recursive(
    SCALARS | st.sets(ELEMENTS, max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


class Basket(msgspec.Struct, frozen=True, rename="camel", tag="basket", omit_defaults=True):
    fruit_kinds: frozenset[str]
    notes: set[str] = msgspec.field(default_factory=set)
    owner: str = "nobody"


@dataclasses.dataclass(frozen=True, slots=True)
class Shelf:
    baskets: list[Any]
    labels: frozenset[Any]


def rebuilt(value: Any, shuffled: random.Random) -> Any:
    """An equal value whose sets came to be in another order, in which their elements may also be iterated."""
    match value:
        case set() | frozenset():
            elements = [rebuilt(each, shuffled) for each in value]
            shuffled.shuffle(elements)
            grown = set(range(-1000, 0)) | set(elements)  # removed elements leave another layout
            return type(value)(grown - (set(range(-1000, 0)) - set(elements)))
        case list():
            return [rebuilt(each, shuffled) for each in value]
        case tuple():
            return tuple(rebuilt(each, shuffled) for each in value)
        case dict():
            return {name: rebuilt(each, shuffled) for name, each in value.items()}
        case _:
            return value


@given(value=VALUES, shuffled=st.randoms(use_true_random=False))
def test_equal_values_have_equal_json(value: Any, shuffled: random.Random) -> None:
    assert encode_value(rebuilt(value, shuffled)) == encode_value(value)


@given(elements=st.sets(SCALARS | st.tuples(SCALARS, SCALARS), max_size=8))
def test_a_set_keeps_its_elements(elements: set[Any]) -> None:
    decoded = msgspec.json.decode(encode_value(elements))
    assert sorted(map(msgspec.json.encode, decoded)) == sorted(map(msgspec.json.encode, elements))


@given(elements=st.sets(st.text(max_size=6)) | st.sets(st.integers(-(2**40), 2**40)))
def test_strings_and_integers_are_sorted_by_value(elements: set[Any]) -> None:
    assert msgspec.json.decode(encode_value(elements)) == sorted(elements)


def test_sets_within_objects_are_sorted_and_objects_keep_their_form() -> None:
    shelf = Shelf([Basket(frozenset("cab")), {"z": {3, 1}, "a": 1}], frozenset({10, 9}))
    assert encode_value(shelf) == (
        b'{"baskets":[{"type":"basket","fruitKinds":["a","b","c"]},{"z":[1,3],"a":1}],"labels":[9,10]}'
    )
    assert shelf.baskets[0].fruit_kinds == frozenset("cab")


@pytest.mark.parametrize("value", [{"b": 1, "a": [1, "2", None]}, msgspec.Raw(b"{}")])
def test_a_value_without_sets_stays_the_same_object(value: Any) -> None:
    assert order_sets(value) is value
