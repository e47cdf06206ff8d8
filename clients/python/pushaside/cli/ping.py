"""`pushaside ping`: measures round trips."""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import TYPE_CHECKING

from pushaside import Client
from pushaside.cli.connecting import add_connection_arguments, run_connected
from pushaside.cli.forms import add_form_arguments, is_json
from pushaside.cli.helping import describe
from pushaside.cli.option_values import seconds, whole_number
from pushaside.cli.output import describe_elapsed, milliseconds, print_document

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_OPEN_TIMEOUT = 10.0
_DESCRIPTION = (
    "Measure the round trip to the service. The gateway answers pings and starts no function, so this is the network's "
    "part of a request's time. It also shows whether the URL and the token are right."
)
_EXAMPLES = [
    ("pushaside ping", "four round trips to the service on this machine"),
    ("pushaside ping --count 20 --url wss://API.execute-api.REGION.amazonaws.com/v1", "twenty to a deployment"),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("ping", description=_DESCRIPTION)
    parser.add_argument(
        "--count", metavar="N", type=whole_number, default=4, help="number of pings, one after another (default: 4)"
    )
    parser.add_argument(
        "--deadline", metavar="S", type=seconds, default=10.0, help="limit of each ping in seconds (default: 10)"
    )
    add_connection_arguments(parser)
    add_form_arguments(parser)
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""

    async def work(client: Client) -> None:
        round_trips, wants_json = [], is_json(arguments)
        for _ in range(arguments.count):
            round_trip = await client.ping(deadline=arguments.deadline)
            round_trips.append(round_trip)
            if wants_json:
                print_document({"type": "pong", "elapsed_ms": milliseconds(round_trip)})
            else:
                print(f"pong · {describe_elapsed(round_trip)}", flush=True)
        if not wants_json:
            print(_summarize(round_trips), file=sys.stderr, flush=True)

    return run_connected(arguments, work, open_timeout=min(_OPEN_TIMEOUT, arguments.deadline))


def _summarize(round_trips: list[float]) -> str:
    least, middle, most = min(round_trips), statistics.median(round_trips), max(round_trips)
    times = " · ".join(
        f"{name} {describe_elapsed(value)}" for name, value in (("min", least), ("median", middle), ("max", most))
    )
    return f"{len(round_trips)} pings · {times}"
