"""docs/asyncapi.yaml, read once, and what a message on the socket is by it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema_rs import Draft7Validator

Document = dict[str, Any]

DOCUMENT = Path(__file__).parents[2] / "docs/asyncapi.yaml"

CLIENTS = {"hello", "request", "subscribe", "unsubscribe", "publish", "ping"}
SERVERS = {
    *("welcome", "result", "accepted", "error", "chunk", "subscribed", "unsubscribed", "published"),
    *("update", "resync", "presence", "bye", "pong", "gatewayError"),
}


@cache
def read_document() -> Document:
    document: Document = yaml.safe_load(DOCUMENT.read_text())
    return document


def parts(part: Any) -> Iterator[Document]:
    """Every object within a part of the document, and itself."""
    if isinstance(part, list):
        for each in part:
            yield from parts(each)
    elif isinstance(part, dict):
        yield part
        for each in part.values():
            yield from parts(each)


def resolved(part: Document) -> Document:
    while "$ref" in part:
        found: Any = read_document()
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def payload_of(message: str) -> Document:
    payload: Document = read_document()["components"]["messages"][message]["payload"]
    return payload


def schema_validator(schema: Document) -> Draft7Validator:
    """Return a validator of a schema of the document, whose references lead to its components."""
    whole = {"allOf": [schema], "components": read_document()["components"]}
    return Draft7Validator(whole, validate_formats=True)


@cache
def validator(message: str) -> Draft7Validator:
    return schema_validator(payload_of(message))


def fitting(frame: Any, among: set[str]) -> list[str]:
    """Return the names of the messages that a frame is one of."""
    return [name for name in sorted(among) if validator(name).is_valid(frame)]


def declared_members(schema: Document) -> set[str]:
    """The members that a schema of an object knows, whichever form it takes."""
    schema = resolved(schema)
    found = set(schema.get("properties", {}))
    for each in (*schema.get("oneOf", ()), *schema.get("allOf", ())):
        found |= declared_members(each)
    return found


def forms(schema: Document) -> Iterator[Document]:
    """Every alternative that a schema of an object has, down to the last."""
    schema = resolved(schema)
    for each in schema.get("oneOf", ()):
        yield each
        yield from forms(each)
    for each in schema.get("allOf", ()):
        yield from forms(each)


def reached(part: Any) -> set[str]:
    """The names of the schemas that are referred to from a part of the document, at any remove."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        for each in parts(waiting.pop()):
            name = str(each.get("$ref", "")).removeprefix("#/components/schemas/")
            if name and name not in found and "/" not in name:
                found.add(name)
                waiting.append(resolved(each))
    return found
