"""`pushaside types`: writes TypeScript declarations for the computes on offer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pushaside.cli.catalogues import CatalogueUnavailableError, add_catalogue_arguments, read_catalogue
from pushaside.cli.exits import Exit
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
    add_catalogue_arguments(parser)
    parser.add_argument(
        "--module", default="pushaside", help="the module that the page imports the client from (default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to FILE, not to standard output")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if --output is out of date")
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    if arguments.check and arguments.output is None:
        return _refuse("--check needs --output FILE, the file that it compares.")
    try:
        declarations = render_declarations(read_catalogue(arguments), arguments.module)
        if arguments.check:
            return _check(arguments.output, declarations)
        if arguments.output is None:
            print(declarations, end="", flush=True)
        else:
            arguments.output.write_text(declarations, encoding="utf-8")
    except CatalogueUnavailableError as exc:
        return _refuse(str(exc))
    except OSError as exc:
        return _refuse(f"{arguments.output} cannot be used: {exc.strerror}.")
    return Exit.OK


def _check(path: Path, declarations: str) -> int:
    if path.is_file() and path.read_text(encoding="utf-8") == declarations:
        return Exit.OK
    print(f"pushaside: {path} is out of date; `pushaside types --output {path}` writes it.", file=sys.stderr)
    return Exit.ERROR


def _refuse(sentence: str) -> int:
    print(f"pushaside: {sentence}", file=sys.stderr)
    return Exit.USAGE
