"""`pushaside request`: asks for one result."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

import orjson

from pushaside import Client
from pushaside.cli.connecting import add_connection_arguments, run_connected, seconds, seconds_or_zero
from pushaside.cli.output import describe_result, print_data, print_document, result_document

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_OPEN_TIMEOUT = 10.0


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    description = (
        "Ask for the result of a compute; the result goes to standard output, what is said of it to standard error."
    )
    parser = subparsers.add_parser("request", description=description)
    parser.add_argument("compute", metavar="COMPUTE", help="the compute's name, such as documents")
    parser.add_argument("--params", metavar="JSON", type=_params, default={}, help="the params: a JSON object")
    parser.add_argument(
        "--deadline", metavar="S", type=seconds, default=30.0, help="give up after so many seconds (default: 30)"
    )
    parser.add_argument(
        "--max-age", metavar="S", type=seconds_or_zero, help="take no result older than this; 0 has it computed anew"
    )
    add_connection_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""

    async def work(client: Client) -> None:
        began = time.perf_counter()
        result = await client.request(
            arguments.compute, arguments.params, deadline=arguments.deadline, max_age=arguments.max_age
        )
        elapsed = time.perf_counter() - began
        if arguments.json:
            print_document(result_document(result, elapsed))
        else:
            print(describe_result(result, elapsed), file=sys.stderr, flush=True)
            print_data(result.data)

    return run_connected(arguments, work, open_timeout=min(_OPEN_TIMEOUT, arguments.deadline))


def _params(text: str) -> dict[str, object]:
    try:
        params = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise argparse.ArgumentTypeError(f"not JSON: {exc}") from exc
    if not isinstance(params, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return params
