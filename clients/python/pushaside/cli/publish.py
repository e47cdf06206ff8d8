"""`pushaside publish`: publishes one message to a channel."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from pushaside import Client
from pushaside.cli.connecting import add_connection_arguments, add_deadline_argument, run_connected
from pushaside.cli.helping import describe
from pushaside.cli.option_values import json_value
from pushaside.cli.output import describe_elapsed, milliseconds, print_document

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_OPEN_TIMEOUT = 10.0
_DESCRIPTION = (
    "Publish a message to a channel. The service delivers it to all subscribers and keeps it in the channel's history "
    "for those that are disconnected. Its position goes to standard output once the message is stored. Retries publish "
    "it only once."
)
_EXAMPLES = [
    ('pushaside publish demo:news \'{"headline":"It works."}\'', "an object"),
    ("since=$(pushaside publish demo:news 1)", "store the position, to subscribe --since it"),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("publish", description=_DESCRIPTION)
    parser.add_argument("topic", metavar="TOPIC", help="the channel, such as prices:eur")
    parser.add_argument("data", metavar="JSON", type=json_value, help="the message")
    add_deadline_argument(parser)
    add_connection_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document, errors too")
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""

    async def work(client: Client) -> None:
        began = time.perf_counter()
        position = await client.publish(arguments.topic, arguments.data, deadline=arguments.deadline)
        elapsed = time.perf_counter() - began
        if arguments.json:
            document = {"type": "published", "topic": arguments.topic, "position": position}
            print_document({**document, "elapsed_ms": milliseconds(elapsed)})
        else:
            print(f"published · {describe_elapsed(elapsed)} · {arguments.topic}", file=sys.stderr, flush=True)
            print(position, flush=True)

    return run_connected(arguments, work, open_timeout=min(_OPEN_TIMEOUT, arguments.deadline))
