"""Rows in records of streams: there bytes are base64, unlike in the answers of DynamoDB.

Source: "Using AWS Lambda with Amazon DynamoDB" (Lambda Developer Guide), whose example event shows it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from push.adapters.dynamodb.values import read_row, write_row
from push.changes.records import UnreadableChangeError


def read_image(image: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a record as plain values.

    Raises:
        UnreadableChangeError: one of them is none of DynamoDB.

    """
    try:
        return read_row({name: _convert_bytes(attribute, _decode) for name, attribute in image.items()})
    except (ArithmeticError, AttributeError, RecursionError, TypeError, ValueError) as exc:
        raise UnreadableChangeError(f"The row of a record can't be read: {exc!r}.") from exc


def write_image(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values as the attributes of a record.

    Raises:
        TypeError: DynamoDB can't hold a value.

    """
    return {name: _convert_bytes(attribute, _encode) for name, attribute in write_row(row).items()}


def _convert_bytes(attribute: Mapping[str, Any], convert: Callable[[Any], Any]) -> dict[str, Any]:
    ((kind, held),) = attribute.items()
    match kind:
        case "B":
            return {kind: convert(held)}
        case "BS":
            return {kind: [convert(each) for each in held]}
        case "L":
            return {kind: [_convert_bytes(each, convert) for each in held]}
        case "M":
            return {kind: {name: _convert_bytes(each, convert) for name, each in held.items()}}
        case _:
            return {kind: held}


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()
