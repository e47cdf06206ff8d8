"""`pushaside computes`: lists the computes on offer."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pushaside.cli.connecting import (
    add_connection_arguments,
    add_deadline_argument,
    add_http_url_argument,
    make_http_client,
    run_reporting,
)
from pushaside.cli.helping import describe
from pushaside.cli.output import print_document

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_DESCRIPTION = (
    "List the computes on offer: the name of each, its params, the callers that share its results, its times, and the "
    "description that its author wrote."
)
_EXAMPLES = [
    ("pushaside computes", "for people"),
    ("pushaside computes --json | jq '.computes[].params'", "the JSON Schemas of their params"),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("computes", description=_DESCRIPTION)
    add_deadline_argument(parser)
    add_connection_arguments(parser)
    add_http_url_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document, errors too")
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""

    async def work() -> None:
        computes = await make_http_client(arguments).computes(deadline=arguments.deadline)
        if arguments.json:
            print_document({"computes": list(computes)})
        else:
            print("\n\n".join(map(describe_compute, computes)) or "No compute is on offer.", flush=True)

    return run_reporting(arguments, work())


def describe_compute(compute: Mapping[str, Any]) -> str:
    """Describe a compute in a few lines.

    >>> schema = {"properties": {"customer": {"type": "string"}, "page": {"type": "integer", "default": 1}}}
    >>> orders = {"name": "orders", "version": 1, "doc": "Orders of a customer.", "scope": "tenant", "params": schema}
    >>> print(describe_compute({**orders, "ttl_seconds": 300.0, "stale_ttl_seconds": 0.0}))
    orders(customer: string, page: integer = 1)
      Orders of a customer.
      version 1 · scope tenant · fresh for 300 s, stale for 0 s
    """
    properties = compute["params"].get("properties", {})
    params = ", ".join(_describe_param(name, schema) for name, schema in properties.items())
    lines = [f"{compute['name']}({params})", *(f"  {line}" for line in compute["doc"].splitlines() if line)]
    times = f"fresh for {compute['ttl_seconds']:g} s, stale for {compute['stale_ttl_seconds']:g} s"
    return "\n".join([*lines, f"  version {compute['version']} · scope {compute['scope']} · {times}"])


def _describe_param(name: str, schema: Mapping[str, Any]) -> str:
    default = f" = {json.dumps(schema['default'])}" if "default" in schema else ""
    return f"{name}: {_describe_type(schema)}{default}"


def _describe_type(schema: Mapping[str, Any]) -> str:
    """Describe a JSON Schema's type in a few words."""
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(map(_describe_type, schema["anyOf"]))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    kind = str(schema.get("type", "any"))
    return f"{kind} of {_describe_type(schema['items'])}" if isinstance(schema.get("items"), dict) else kind
