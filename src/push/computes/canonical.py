"""Canonical params: equal params have one form, however the caller spelled them.

Datetimes with an offset become UTC, decimals lose trailing zeros, -0.0 becomes 0.0, and where ints and floats are both
allowed a whole float becomes an int. A function receives the canonical params, so its result can't depend on which
caller's spelling came first. The order of members and defaults need no work here: parsing settles both.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import inspect

from push.computes.encoding import encode_canonical

Canonicalize = Callable[[Any], Any]
"""Returns the canonical form of a value that has the type."""

_MAX_PLAIN_EXPONENT = 64
_SEQUENCES: dict[type[inspect.Type], type] = {
    inspect.ListType: list,
    inspect.VarTupleType: tuple,
    inspect.SetType: set,
    inspect.FrozenSetType: frozenset,
}


def make_canonicalize(kind: type) -> Canonicalize | None:
    """Return a function that makes values of a type canonical; None if every value already is.

    Structs and dataclasses are changed in place, so the value must be the caller's own.
    """
    return _Maker().make(inspect.type_info(kind))


class _Maker:
    """Makes the functions of the types within one type, each class once."""

    def __init__(self) -> None:
        self._by_class: dict[type, _Object] = {}

    def make(self, kind: inspect.Type) -> Canonicalize | None:
        """Return the function for a type, or None."""
        match kind:
            case inspect.Metadata():
                return self.make(kind.type)
            case inspect.UnionType():
                return self._make_union(kind)
            case inspect.StructType() | inspect.DataclassType():
                return self._make_object(kind)
            case inspect.TypedDictType():
                members = self._make_fields(kind.fields)
                return partial(_canonical_members, members) if members else None
            case inspect.NamedTupleType():
                members = self._make_fields(kind.fields)
                return partial(_canonical_named_tuple, members) if members else None
            case inspect.CollectionType() | inspect.TupleType() | inspect.DictType():
                return self._make_collection(kind)
            case _:
                return _SCALARS.get(type(kind))

    def _make_collection(
        self, kind: inspect.CollectionType | inspect.TupleType | inspect.DictType
    ) -> Canonicalize | None:
        match kind:
            case inspect.TupleType():
                items = [self.make(each) for each in kind.item_types]
                return partial(_canonical_tuple, items) if any(items) else None
            case inspect.DictType():
                key, value = self.make(kind.key_type), self.make(kind.value_type)
                return partial(_canonical_dict, key or _same, value or _same) if key or value else None
            case _:
                item = self.make(kind.item_type)
                return item and partial(_canonical_sequence, _SEQUENCES[type(kind)], item)

    def _make_object(self, kind: inspect.StructType | inspect.DataclassType) -> Canonicalize | None:
        if kind.cls in self._by_class:
            # The class contains itself. Its fields may not be known yet.
            return self._by_class[kind.cls]
        known = self._by_class[kind.cls] = _Object(kind.cls)
        known.fields = self._make_fields(kind.fields)
        return known if any(function is not known for function in known.fields.values()) else None

    def _make_fields(self, fields: tuple[inspect.Field, ...]) -> dict[str, Canonicalize]:
        made = {field.name: self.make(field.type) for field in fields}
        return {name: function for name, function in made.items() if function is not None}

    def _make_union(self, union: inspect.UnionType) -> Canonicalize | None:
        kinds = [each.type if isinstance(each, inspect.Metadata) else each for each in union.types]
        by_class = {_class_of(kind): function for kind in kinds if (function := self.make(kind)) is not None}
        if float in by_class and any(isinstance(kind, inspect.IntType) for kind in kinds):
            by_class[float] = _canonical_number
        return partial(_canonical_union, by_class) if by_class else None


class _Object:
    """Makes the fields of a Struct or a dataclass canonical, in place."""

    __slots__ = ("_set", "fields")

    def __init__(self, cls: type) -> None:
        self.fields: dict[str, Canonicalize] = {}
        self._set: Callable[[Any, str, Any], None] = (
            msgspec.structs.force_setattr if issubclass(cls, msgspec.Struct) else object.__setattr__
        )

    def __call__(self, value: Any) -> Any:  # noqa: ANN401 - a value of the class
        for name, function in self.fields.items():
            old = getattr(value, name)
            if old is not msgspec.UNSET:
                self._set(value, name, function(old))
        return value


def _class_of(kind: inspect.Type) -> type:
    """Return the class of the values of a union's member."""
    match kind:
        case inspect.FloatType():
            return float
        case inspect.DecimalType():
            return decimal.Decimal
        case inspect.DateTimeType():
            return dt.datetime
        case inspect.TupleType():
            return tuple
        case inspect.DictType() | inspect.TypedDictType():
            return dict
        case inspect.StructType() | inspect.DataclassType() | inspect.NamedTupleType():
            return kind.cls
        case _:
            return _SEQUENCES.get(type(kind), msgspec.Raw)


def _same(value: Any) -> Any:  # noqa: ANN401 - any value
    return value


def _canonical_float(value: float) -> float:
    # -0.0 + 0.0 is 0.0. A default may be an int.
    return float(value) + 0.0


def _canonical_number(value: float) -> float:
    return int(value) if value.is_integer() else value


def _canonical_decimal(value: decimal.Decimal) -> decimal.Decimal:
    if not value.is_finite():
        raise ValueError(f"`{value}` is not a finite number")
    if not value:
        return decimal.Decimal(0)
    digits = len(value.as_tuple().digits)
    exact = decimal.Context(
        prec=digits + _MAX_PLAIN_EXPONENT, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[decimal.Inexact]
    )
    short = value.normalize(exact)
    exponent = short.as_tuple().exponent
    is_plain = isinstance(exponent, int) and 0 < exponent <= _MAX_PLAIN_EXPONENT
    return short.quantize(decimal.Decimal(1), context=exact) if is_plain else short


def _canonical_datetime(value: dt.datetime) -> dt.datetime:
    return value if value.tzinfo is None else value.astimezone(dt.UTC)


def _canonical_json(value: Any) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case float():
            return _canonical_number(value)
        case list():
            return [_canonical_json(each) for each in value]
        case dict():
            return {name: _canonical_json(each) for name, each in value.items()}
        case _:
            return value


def _canonical_raw(value: msgspec.Raw) -> msgspec.Raw:
    return msgspec.Raw(encode_canonical(_canonical_json(msgspec.json.decode(value))))


def _canonical_sequence(cls: type, item: Canonicalize, value: Any) -> Any:  # noqa: ANN401 - of the class
    return cls(map(item, value))


def _canonical_tuple(items: list[Canonicalize | None], value: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(item(each) if item else each for item, each in zip(items, value, strict=True))


def _canonical_dict(key: Canonicalize, each: Canonicalize, value: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key(name): each(member) for name, member in value.items()}


def _canonical_members(members: Mapping[str, Canonicalize], value: dict[str, Any]) -> dict[str, Any]:
    return {name: members.get(name, _same)(member) for name, member in value.items()}


def _canonical_named_tuple(members: Mapping[str, Canonicalize], value: Any) -> Any:  # noqa: ANN401 - a named tuple
    return value._replace(**{name: function(getattr(value, name)) for name, function in members.items()})


def _canonical_union(by_class: Mapping[type, Canonicalize], value: Any) -> Any:  # noqa: ANN401 - of the union
    return by_class.get(type(value), _same)(value)


_SCALARS: dict[type[inspect.Type], Canonicalize] = {
    inspect.FloatType: _canonical_float,
    inspect.DecimalType: _canonical_decimal,
    inspect.DateTimeType: _canonical_datetime,
    inspect.AnyType: _canonical_json,
    inspect.RawType: _canonical_raw,
}
