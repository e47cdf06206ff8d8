"""Plain Python values from and to DynamoDB's attribute values.

Numbers become int if DynamoDB holds a whole number, else float. Sets become sets, and binary values bytes.

Source: "AttributeValue", DynamoDB API Reference.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from typing import Any

Attribute = Mapping[str, Any]


def read_row(item: Mapping[str, Attribute]) -> dict[str, Any]:
    """Return an item as plain values."""
    return {name: read_value(attribute) for name, attribute in item.items()}


def read_value(attribute: Attribute) -> Any:  # noqa: ANN401 - any plain value
    """Return an attribute value as a plain value."""
    ((kind, held),) = attribute.items()
    match kind:
        case "S" | "BOOL" | "B":
            return held
        case "N":
            return _read_number(held)
        case "NULL":
            return None
        case "L":
            return [read_value(each) for each in held]
        case "M":
            return read_row(held)
        case "NS":
            return {_read_number(each) for each in held}
        case _:
            return set(held)


def _read_number(text: str) -> float:
    number = decimal.Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)


def write_row(row: Mapping[str, Any]) -> dict[str, Attribute]:
    """Return plain values as an item.

    Raises:
        TypeError: DynamoDB can't hold a value.

    """
    return {name: write_value(value) for name, value in row.items()}


def write_value(value: Any) -> Attribute:  # noqa: ANN401 - any plain value
    """Return a plain value as an attribute value.

    Raises:
        TypeError: DynamoDB can't hold the value.

    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | float() | decimal.Decimal():
            return {"N": _write_number(value)}
        case bytes() | bytearray():
            return {"B": bytes(value)}
        case list() | tuple():
            return {"L": [write_value(each) for each in value]}
        case Mapping():
            return {"M": write_row(value)}
        case set() | frozenset() if value:
            return _write_set(value)
        case _:
            raise TypeError(f"DynamoDB can't hold {value!r} of type {type(value).__name__}.")


def _write_set(values: set[Any] | frozenset[Any]) -> Attribute:
    kinds = {kind for each in values for kind in write_value(each)}
    if len(kinds) != 1 or not kinds <= {"S", "N", "B"}:
        raise TypeError("A set in DynamoDB holds only strings, only numbers, or only bytes.")
    (kind,) = kinds
    return {f"{kind}S": [write_value(each)[kind] for each in values]}


def _write_number(value: float | decimal.Decimal) -> str:
    if not decimal.Decimal(value).is_finite():
        raise TypeError(f"DynamoDB can't hold {value!r}: it is not a finite number.")
    return str(value)
