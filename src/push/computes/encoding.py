"""The JSON of canonical values, which keys hash: equal values have the same bytes."""

from __future__ import annotations

from typing import Any

import msgspec


def encode_canonical(value: object) -> bytes:
    """Encode a canonical value as JSON, with the members of dicts and the elements of sets in order."""
    try:
        return msgspec.json.encode(value, order="deterministic")
    except TypeError:
        # msgspec can't order sets whose elements have different types.
        return msgspec.json.encode(_order_sets(value), order="deterministic")


def _order_sets(value: Any) -> Any:  # noqa: ANN401 - anything that msgspec encodes
    """Replace the sets within a value by lists, ordered by their elements' JSON."""
    match value:
        case set() | frozenset():
            return [msgspec.Raw(each) for each in sorted(encode_canonical(each) for each in value)]
        case list() | tuple():
            return [_order_sets(each) for each in value]
        case dict():
            return {name: _order_sets(each) for name, each in value.items()}
        case msgspec.Struct():
            return {"": value.__struct_config__.tag, **_order_fields(value, value.__struct_fields__)}
        case _ if hasattr(value, "__dataclass_fields__"):
            return _order_fields(value, tuple(value.__dataclass_fields__))
        case _:
            return value


def _order_fields(value: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _order_sets(getattr(value, name)) for name in names}
