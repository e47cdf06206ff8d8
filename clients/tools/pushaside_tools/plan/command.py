"""The command `pushaside plan`."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from pushaside.cli.exits import Exit
from pushaside.cli.forms import add_form_arguments, can_draw, is_json, make_console
from pushaside.cli.helping import describe
from pushaside.cli.output import print_document
from pushaside_tools.plan.loads import Load
from pushaside_tools.plan.planning import make_plan
from pushaside_tools.plan.report import describe_plan, draw_plan, plan_document

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_DESCRIPTION = (
    "Compute what a deployment for a load needs and costs, before it exists: the AWS quotas that it meets or exceeds "
    "and the increases to request, the template's parameters to set, the time until all clients are connected, the "
    "environments of each Lambda function, and a month's bill by service. The command calculates with list prices and "
    "default quotas, and does not call AWS."
)

_EXAMPLES = [
    ("pushaside plan --requests-per-second 10000", "ten thousand requests a second, 95 % of them from the cache"),
    (
        "pushaside plan --requests-per-second 200 --connections 5000 --result-bytes 45000 --hours-per-day 10",
        "larger results, in office hours",
    ),
    (
        "pushaside plan --connections 100000 --subscribers 100000 --updates-per-second 0.2",
        "a live page with a hundred thousand viewers, updated every five seconds",
    ),
    ("pushaside plan --requests-per-second 10000 --json | jq .dollars_per_month", "only the sum"),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("plan", description=_DESCRIPTION)
    _add_request_arguments(parser.add_argument_group("requests"))
    _add_push_arguments(parser.add_argument_group("pushes"))
    parser.add_argument(
        "--hours-per-day",
        metavar="H",
        type=_number(above=0, most=24),
        default=24.0,
        help="with traffic (default: 24)",
    )
    parser.add_argument(
        "--nat-gateway", action="store_true", help="computes reach IPv4 APIs: the template's NatGateway is on"
    )
    add_form_arguments(parser)
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def _add_request_arguments(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--requests-per-second", metavar="R", type=_number(), default=0.0, help="requests of all clients (default: 0)")
    add(
        "--connections",
        metavar="N",
        type=_count,
        help="open at once (default: one a request/s or subscriber)",
    )
    add(
        "--hit-ratio",
        metavar="H",
        type=_number(most=1),
        default=0.95,
        help="share of hits (default: 0.95)",
    )
    add("--result-bytes", metavar="B", type=_count, default=500, help="size of a result as sent (default: 500)")
    add("--cached-bytes", metavar="B", type=_count, help="size of a result in the cache, compressed (default: as sent)")
    add("--cached-results", metavar="N", type=_count, default=0, help="results in the cache (default: 100 MB or less)")
    add("--compute-ms", metavar="MS", type=_number(), default=50.0, help="duration of a compute (default: 50)")
    add(
        "--callers-per-miss",
        metavar="N",
        type=_number(least=1),
        default=1.0,
        help="callers that wait for the same compute (default: 1)",
    )
    add(
        "--reads-per-compute",
        metavar="N",
        type=_number(),
        default=1.0,
        help="S3 objects it reads (default: 1)",
    )


def _add_push_arguments(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--subscribers", metavar="N", type=_count, default=0, help="subscribers that receive each update (default: 0)")
    add("--updates-per-second", metavar="U", type=_number(), default=0.0, help="updates of all topics (default: 0)")
    add("--update-bytes", metavar="B", type=_count, default=500, help="size of an update (default: 500)")
    add("--pushes-per-second", metavar="P", type=_number(), default=0.0, help="other pushes to clients (default: 0)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    load = make_load(arguments)
    if not (load.requests_per_second or load.connections or load.updates_per_second or load.pushes_per_second):
        print("pushaside: There is no load. Pass --requests-per-second, --connections or both.", file=sys.stderr)
        return Exit.USAGE
    plan = make_plan(load)
    if is_json(arguments):
        print_document(plan_document(plan))
    elif can_draw(sys.stdout):
        draw_plan(plan, make_console(sys.stdout))
    else:
        print(describe_plan(plan), flush=True)
    return Exit.OK


def make_load(arguments: argparse.Namespace) -> Load:
    """Return the load that the arguments describe."""
    connections = arguments.connections
    if connections is None:
        connections = max(math.ceil(arguments.requests_per_second), arguments.subscribers)
    return Load(
        requests_per_second=arguments.requests_per_second,
        connections=connections,
        hit_ratio=arguments.hit_ratio,
        result_bytes=arguments.result_bytes,
        cached_bytes=arguments.result_bytes if arguments.cached_bytes is None else arguments.cached_bytes,
        cached_results=arguments.cached_results,
        compute_ms=arguments.compute_ms,
        callers_per_miss=arguments.callers_per_miss,
        reads_per_compute=arguments.reads_per_compute,
        subscribers=arguments.subscribers,
        updates_per_second=arguments.updates_per_second,
        update_bytes=arguments.update_bytes,
        pushes_per_second=arguments.pushes_per_second,
        hours_per_day=arguments.hours_per_day,
        nat_gateway=arguments.nat_gateway,
    )


def _number(*, least: float = 0, above: float | None = None, most: float = math.inf) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from exc
        if not math.isfinite(value) or not least <= value <= most or (above is not None and value <= above):
            bounds = f"{least:g} or more" if above is None else f"more than {above:g}"
            limit = "" if math.isinf(most) else f", and {most:g} at most"
            raise argparse.ArgumentTypeError(f"must be {bounds}{limit}")
        return value

    return read


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError("must be a whole number, 0 or more")
    return int(text)
