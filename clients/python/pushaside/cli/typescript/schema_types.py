"""TypeScript's types of JSON Schemas, in the form that msgspec writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
Names = Mapping[str, str]
"""The names of the interfaces and type aliases, by the names of the schema's definitions."""

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_WORD_BREAK = re.compile(r"[^A-Za-z0-9]+")
_SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def type_of(schema: Schema, names: Names, indent: str = "") -> str:
    """Return the type of a schema; objects with properties span several lines.

    >>> type_of({"anyOf": [{"type": "array", "items": {"enum": ["a", "b"]}}, {"type": "null"}]}, {})
    '("a" | "b")[] | null'
    """
    if "$ref" in schema:
        return names[str(schema["$ref"]).rpartition("/")[2]]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " | ".join(dict.fromkeys(type_of(each, names, indent) for each in schema[union]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(type_of({**schema, "type": each}, names, indent) for each in kind)
    if kind == "array":
        return _array(schema, names, indent)
    if kind == "object":
        return _object(schema, names, indent)
    return _SIMPLE.get(str(kind), "unknown")


def members_of(schema: Schema, names: Names, indent: str = "") -> list[str]:
    """Return the lines of an object's properties, each with its description and default above it."""
    required = schema.get("required", ())
    lines = []
    for name, each in schema.get("properties", {}).items():
        note = describe(each)
        lines += [f"{indent}/** {note} */"] if note else []
        mark = "" if name in required else "?"
        lines.append(f"{indent}{property_name(name)}{mark}: {type_of(each, names, indent)};")
    return lines


def describe(schema: Schema) -> str:
    """Return the description of a property in one line, with its format and its default."""
    parts = [" ".join(str(schema.get("description", "")).split())]
    if "format" in schema:
        parts.append(f"Format: {schema['format']}.")
    if "default" in schema:
        parts.append(f"Default: {json.dumps(schema['default'])}.")
    return in_comment(" ".join(filter(None, parts)))


def in_comment(text: str) -> str:
    """Return a text that cannot end the comment around it."""
    return text.replace("*/", "*\\/")


def property_name(name: str) -> str:
    """Return a name as a property of an object, in quotes where TypeScript needs them."""
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def type_name(*parts: str) -> str:
    """Return a name for an interface.

    >>> type_name("customer_orders", "params")
    'CustomerOrdersParams'
    """
    words = [word for part in parts for word in _WORD_BREAK.split(part.replace("_", " ")) if word]
    return "".join(word[:1].upper() + word[1:] for word in words)


def _array(schema: Schema, names: Names, indent: str) -> str:
    items = schema.get("items", {})
    if "prefixItems" in schema:
        first = [type_of(each, names, indent) for each in schema["prefixItems"]]
        rest = [] if items is False or "maxItems" in schema else [f"...{_listed(items or {}, names, indent)}"]
        return f"[{', '.join([*first, *rest])}]"
    return "[]" if items is False else _listed(items, names, indent)


def _listed(items: Schema, names: Names, indent: str) -> str:
    item = type_of(items, names, indent)
    return f"({item})[]" if " | " in item and not item.startswith("{") else f"{item}[]"


def _object(schema: Schema, names: Names, indent: str) -> str:
    if schema.get("properties"):
        return "\n".join(["{", *members_of(schema, names, f"{indent}  "), f"{indent}}}"])
    values = schema.get("additionalProperties", {})
    if values is False:
        return "Record<string, never>"
    return f"Record<string, {type_of(values if isinstance(values, Mapping) else {}, names, indent)}>"
