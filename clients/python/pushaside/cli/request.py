"""`pushaside request`: requests one result, over the socket or by HTTP."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from pushaside import Client, Result
from pushaside.cli.connecting import add_connection_arguments, http_url_beside, run_connected, run_reporting
from pushaside.cli.helping import describe
from pushaside.cli.option_values import http_url, json_object, seconds, seconds_or_zero
from pushaside.cli.output import describe_result, print_data, print_document, result_document
from pushaside.cli.screen.progress import ask
from pushaside.errors import NotFoundError
from pushaside.http.client import HttpClient, Webhook

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_OPEN_TIMEOUT = 10.0
_DEADLINE = 30.0
_DESCRIPTION = (
    "Request the result of a compute, and wait for it. The result's data goes to standard output: on a terminal as a "
    "table, if it is a list of flat objects, in a pipe as a line of JSON. Its source (hit, stale or miss), the time it "
    "took and its age go to standard error. Large results show their progress."
)
_EXAMPLES = [
    ('pushaside request documents --params \'{"collection":"airports","ids":["TX"]}\'', "the airports of Texas"),
    ('pushaside request leaderboard --params \'{"board":"demo","top":3}\' --max-age 0', "computed again"),
    ("pushaside request leaderboard --params '{\"board\":\"demo\"}' | jq '.[0]'", "the data alone, for a script"),
    ('pushaside request documents --params \'{"collection":"airports"}\' --poll', "by HTTP, without a socket"),
    ('pushaside request leaderboard --params \'{"board":"demo"}\' --explain', "and what the result depends on"),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("request", description=_DESCRIPTION)
    parser.add_argument("compute", metavar="COMPUTE", help="the compute's name, such as documents")
    parser.add_argument(
        "--params",
        metavar="JSON",
        type=json_object,
        default={},
        help="the params: a JSON object, @FILE, or - for standard input",
    )
    parser.add_argument("--deadline", metavar="S", type=seconds, help="time out after S seconds (default: 30)")
    parser.add_argument(
        "--max-age",
        metavar="S",
        type=seconds_or_zero,
        help="accept no result older than S seconds; 0 asks for a new computation",
    )
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--poll", action="store_true", help="request by HTTP, and poll for the result")
    ways.add_argument(
        "--webhook",
        metavar="URL",
        type=http_url,
        help="request by HTTP, have the result posted to URL, and do not wait",
    )
    ways.add_argument(
        "--explain",
        action="store_true",
        help="also print what the result depends on: a change of one of these tags makes it stale",
    )
    parser.add_argument("--id", help="the request's id, for --poll and --webhook: the same id is the same request")
    parser.add_argument(
        "--http-url",
        metavar="URL",
        type=http_url,
        default=os.environ.get("PUSHASIDE_HTTP_URL") or None,
        help="the HTTP API, for --poll, --webhook and --explain (default: on the host and port of --url)",
    )
    add_connection_arguments(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document with all about the result, errors too"
    )
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    if arguments.webhook:
        return run_reporting(arguments, _submit(arguments))
    if arguments.poll:
        return run_reporting(arguments, _poll(arguments))
    deadline = arguments.deadline or _DEADLINE

    async def work(client: Client) -> None:
        began = time.perf_counter()
        result = await ask(
            client,
            arguments.compute,
            arguments.params,
            deadline=deadline,
            max_age=arguments.max_age,
            is_quiet=arguments.json,
        )
        elapsed_seconds = time.perf_counter() - began
        tags = await _read_tags(arguments, deadline) if arguments.explain else None
        _print_result(arguments, result, elapsed_seconds, tags)

    return run_connected(arguments, work, open_timeout=min(_OPEN_TIMEOUT, deadline))


async def _read_tags(arguments: argparse.Namespace, deadline: float) -> tuple[str, ...]:
    """Return the tags of the stored result.

    Raises:
        PushasideError: the deployment does not tell, or the result cannot be had by HTTP.

    """
    resource = await _http_client(arguments).result(arguments.compute, arguments.params, deadline=deadline)
    if resource.tags is None:
        raise NotFoundError("This service does not tell what results depend on: its parameter ExplainResults is false.")
    return resource.tags


async def _poll(arguments: argparse.Namespace) -> None:
    """Submit the request by HTTP and wait for the result, both within the deadline."""
    began, deadline = time.perf_counter(), arguments.deadline or _DEADLINE
    client = _http_client(arguments)
    accepted = await client.submit(
        arguments.compute,
        arguments.params,
        id=arguments.id,
        request_deadline=deadline,
        max_age=arguments.max_age,
        deadline=deadline,
    )
    left = deadline - (time.perf_counter() - began)
    result = await client.wait(accepted.id, deadline=max(left, 0.001))
    _print_result(arguments, result, time.perf_counter() - began)


async def _submit(arguments: argparse.Namespace) -> None:
    """Submit the request for delivery by webhook, and print its id."""
    accepted = await _http_client(arguments).submit(
        arguments.compute,
        arguments.params,
        deliver=Webhook(arguments.webhook),
        id=arguments.id,
        request_deadline=arguments.deadline,
        max_age=arguments.max_age,
    )
    if arguments.json:
        print_document({"type": "accepted", "id": accepted.id, "status": accepted.status})
    else:
        print(f"accepted · {accepted.status} · its result goes to {arguments.webhook}", file=sys.stderr, flush=True)
        print(accepted.id, flush=True)


def _http_client(arguments: argparse.Namespace) -> HttpClient:
    return HttpClient(arguments.http_url or http_url_beside(arguments.url), token=arguments.token)


def _print_result(
    arguments: argparse.Namespace, result: Result, elapsed_seconds: float, tags: tuple[str, ...] | None = None
) -> None:
    if arguments.json:
        explained = {} if tags is None else {"tags": tags}
        print_document({**result_document(result, elapsed_seconds), **explained})
    else:
        print(describe_result(result, elapsed_seconds), file=sys.stderr, flush=True)
        if tags is not None:
            lines = ["depends on", *(f"  {tag}" for tag in tags)] if tags else ["depends on no source"]
            print(*lines, sep="\n", file=sys.stderr, flush=True)
        print_data(result.data)
