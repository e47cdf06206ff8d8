"""The subcommand `pushaside openapi`."""

from __future__ import annotations

import argparse
from typing import Any

from local.application.openapi import read_base, render_json, render_yaml, with_computes
from pushaside.cli.catalogues import Catalogue
from pushaside.cli.generated import add_generator_arguments, generate
from pushaside.cli.helping import describe

_DESCRIPTION = (
    "Write the OpenAPI description of the HTTP API for the computes on offer: a path for each compute, with the "
    "schemas of its params and its result."
)
_EXAMPLES = [
    ("pushaside openapi --output openapi.yaml", "the application in this folder"),
    ("pushaside openapi --url ws://127.0.0.1:8080/v1 --output openapi.json", "a running service, as JSON"),
    ("pushaside openapi --output openapi.yaml --check", "in CI: fail if the file is out of date"),
]


def add_parser(subparsers: Any) -> None:  # noqa: ANN401  # argparse has no public type for it
    """Add the subcommand to the command line of `pushaside`."""
    summary = "write the OpenAPI description of the computes on offer"
    parser = subparsers.add_parser("openapi", help=summary, description=_DESCRIPTION)
    add_generator_arguments(parser)
    parser.add_argument("--title", help="the title of the API (default: %(default)s)", default="Pushaside over HTTP")
    parser.add_argument(
        "--server", metavar="URL", help="the URL of the HTTP API (default: where `pushaside local` serves it)"
    )
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run_command)


def run_command(arguments: argparse.Namespace) -> int:
    """Write the description and return the exit code."""

    def render(computes: Catalogue) -> str:
        document = with_computes(read_base(), computes)
        document["info"]["title"] = arguments.title
        if arguments.server is not None:
            document["servers"] = [{"url": arguments.server}]
        is_json = arguments.output is not None and arguments.output.suffix == ".json"
        return render_json(document) if is_json else render_yaml(document)

    return generate(arguments, "openapi", render)
