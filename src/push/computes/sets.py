"""The order of sets in a result: equal results have equal JSON, and so the same etag.

The iteration order of a set differs between processes and depends on how the set came to be. Dicts, Structs and
dataclasses keep the order of their members, which the author of a compute chose.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

_PLAIN = frozenset({str, int, float, bool, type(None), bytes, msgspec.Raw})
"""Types without parts: most values of most results."""


def order_sets(value: Any) -> Any:  # noqa: ANN401  # anything that msgspec encodes
    """Return a value with a sorted list in place of each set; the value itself if it contains no set."""
    return _order(value) if _has_set(value) else value


def _has_set(value: Any) -> bool:  # noqa: ANN401  # any value
    if type(value) in _PLAIN:
        return False
    if isinstance(value, (set, frozenset)):
        return True
    parts = _parts_of(value)
    return not _PLAIN.issuperset(map(type, parts)) and any(map(_has_set, parts))


def _parts_of(value: Any) -> Collection[Any]:  # noqa: ANN401  # any value
    match value:
        case list() | tuple():
            return value
        case dict():
            return value.values()
        case _:
            return [getattr(value, name, None) for name in _fields_of(value)]


def _fields_of(value: Any) -> Iterable[str]:  # noqa: ANN401  # any value
    """Return the names of the fields of a Struct, a dataclass or an attrs class; none for other values."""
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    if hasattr(value, "__attrs_attrs__"):
        return [field.name for field in value.__attrs_attrs__]
    return getattr(value, "__dataclass_fields__", ())


def _order(value: Any) -> Any:  # noqa: ANN401  # any value
    if not _has_set(value):
        return value
    match value:
        case set() | frozenset():
            return _sort(value)
        case list() | tuple():
            return [_order(each) for each in value]
        case dict():
            return {name: _order(each) for name, each in value.items()}
        case _:
            return _order_fields(value)


def _sort(elements: Collection[Any]) -> Collection[Any]:
    """Sort by value if all elements are strings or all are integers, else by their JSON."""
    if not elements:
        return elements  # a Struct may omit an empty set, but no empty list
    if set(map(type, elements)) in ({str}, {int}):
        return sorted(elements)
    return [msgspec.Raw(each) for each in sorted(msgspec.json.encode(_order(each)) for each in elements)]


def _order_fields(value: Any) -> Any:  # noqa: ANN401  # a Struct, a dataclass or an attrs class
    """Copy an object, which may be frozen, with ordered fields."""
    copied = copy.copy(value)
    assign = msgspec.structs.force_setattr if isinstance(value, msgspec.Struct) else object.__setattr__
    for name in _fields_of(value):
        if hasattr(value, name):
            assign(copied, name, _order(getattr(value, name)))
    return copied
