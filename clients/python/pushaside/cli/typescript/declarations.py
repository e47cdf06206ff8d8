"""The file of declarations: an interface for each schema, and the map of computes that the client's types look into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pushaside.cli.typescript.schema_types import (
    Names,
    Schema,
    in_comment,
    members_of,
    property_name,
    type_name,
    type_of,
)

_HEAD = """\
// Written by `pushaside types`. Do not edit it: run the command again when the computes change.
import "{module}";"""


def render_declarations(computes: Iterable[Mapping[str, Any]], module: str) -> str:
    """Return the TypeScript declarations of computes, in order of their names.

    Args:
        computes: as `GET /computes` lists them.
        module: the name by which the page's code imports the browser client.

    """
    listed = sorted(computes, key=lambda compute: str(compute["name"]))
    taken: set[str] = set()
    blocks, entries = [], []
    for compute in listed:
        own, lines = _render_compute(compute, taken)
        blocks += own
        entries += lines
    augmented = "\n".join([f'declare module "{module}" {{', "  interface Computes {", *entries, "  }", "}"])
    return "\n\n".join([_HEAD.format(module=module), *blocks, augmented]) + "\n"


def _render_compute(compute: Mapping[str, Any], taken: set[str]) -> tuple[list[str], list[str]]:
    """Return the interfaces of a compute, and its lines in the map."""
    name, result = str(compute["name"]), compute.get("result_schema")
    params_name = _free(type_name(name, "params"), taken)
    blocks, names = _render_definitions(name, compute["params"], taken)
    blocks.insert(0, _render_interface(params_name, compute["params"], names))
    result_type = "any"
    if result is not None:
        result_name = _free(type_name(name, "result"), taken)
        others, names = _render_definitions(name, result, taken)
        blocks += [f"export type {result_name} = {type_of(result, names)};", *others]
        result_type = result_name
    return blocks, [*_comment(str(compute.get("doc", "")), "    "), *_entry(name, params_name, result_type)]


def _entry(name: str, params: str, result: str) -> list[str]:
    return [f"    {property_name(name)}: {{ params: {params}; result: {result} }};"]


def _render_definitions(compute: str, schema: Schema, taken: set[str]) -> tuple[list[str], Names]:
    """Return an interface or a type alias for each definition of a schema, and the names of them."""
    definitions = schema.get("$defs", {})
    names = {name: _free(type_name(compute, name), taken) for name in definitions}
    return [_render_interface(names[name], each, names) for name, each in definitions.items()], names


def _render_interface(name: str, schema: Schema, names: Names) -> str:
    if schema.get("properties"):
        return "\n".join([f"export interface {name} {{", *members_of(schema, names, "  "), "}"])
    return f"export type {name} = {type_of(schema, names)};"


def _free(wanted: str, taken: set[str]) -> str:
    """Return the wanted name, with a number if another type has it."""
    name = next(each for each in _numbered(wanted) if each not in taken)
    taken.add(name)
    return name


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}{number}"
        number += 1


def _comment(text: str, indent: str) -> list[str]:
    lines = in_comment(text).splitlines()
    if len(lines) <= 1:
        return [f"{indent}/** {line} */" for line in lines]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]
