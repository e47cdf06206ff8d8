"""`pushaside types`: writes TypeScript declarations for the computes on offer."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pushaside.cli.generated import add_generator_arguments, generate
from pushaside.cli.helping import describe
from pushaside.cli.typescript.declarations import render_declarations

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_DESCRIPTION = (
    "Write TypeScript declarations for the computes on offer. With them, TypeScript checks the names, params and "
    "results of requests and subscriptions of the browser client and of the React hooks."
)
_EXAMPLES = [
    ("pushaside types --output src/computes.d.ts", "the application in this folder"),
    ("pushaside types --url ws://127.0.0.1:8080/v1", "a running service"),
    ("pushaside types --output src/computes.d.ts --check", "in CI: fail if the file is out of date"),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("types", description=_DESCRIPTION)
    add_generator_arguments(parser)
    parser.add_argument(
        "--module", default="pushaside", help="the module that the page imports the client from (default: %(default)s)"
    )
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    return generate(arguments, "types", lambda computes: render_declarations(computes, arguments.module))
