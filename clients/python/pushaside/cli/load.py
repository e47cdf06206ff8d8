"""`pushaside load`: puts load on a service, measures it, and checks every answer."""

from __future__ import annotations

import argparse
import secrets
import sys
from typing import TYPE_CHECKING

import orjson

from pushaside.cli.connecting import add_connection_arguments, number_of, seconds, whole_number
from pushaside.cli.exits import Exit
from pushaside.cli.forms import add_form_arguments, is_json
from pushaside.cli.helping import describe
from pushaside.cli.load_screen import open_screen
from pushaside.cli.output import print_document
from pushaside.load.fleet import GeneratorError, run_fleet
from pushaside.load.keys import RUN_BITS
from pushaside.load.plan import KEY, MAX_DEADLINE_SECONDS, SYNTHETIC, Plan, synthetic_params
from pushaside.load.report import describe_outcome, load_document
from pushaside.load.tally import Tally
from pushaside.messages import FRAME_BYTES

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_ROOM_BYTES = 1024
"""What a request has beside its params, at the most."""
_REFUSALS = {"status 401", "status 403"}

_DESCRIPTION = (
    "Put load on a service, measure latencies and check every answer. With --rate requests are sent at their times "
    "however slow the answers are, and latency counts from then; otherwise so many are kept under way. On a terminal a "
    "table shows how it goes; at the end come some lines, or in a pipe one JSON document. The exit code is 1 if an "
    "answer was lost, doubled or wrong, or something could not be sent."
)
_EXAMPLES = [
    ("pushaside load --connections 100 --duration 30", "a hundred workers, each asking when it has its answer"),
    ("pushaside load --rate 1000 --connections 100 --keys 5000 --skew 1", "latency at a thousand a second"),
    ("pushaside load --rate 50 --cold --work-ms 20 --json", "misses only, for a machine"),
    ("pushaside plan --requests-per-second 1000", "what such a load costs on AWS"),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("load", description=_DESCRIPTION)
    _add_load_arguments(parser)
    _add_request_arguments(parser)
    parser.add_argument("--processes", metavar="P", type=whole_number, default=1, help="send from so many (default: 1)")
    add_connection_arguments(parser)
    add_form_arguments(parser)
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def _add_load_arguments(parser: argparse.ArgumentParser) -> None:
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--rate", metavar="R", type=number_of("requests"), help="send so many requests a second")
    model.add_argument(
        "--concurrency", metavar="C", type=whole_number, help="keep so many under way (default: one per connection)"
    )
    parser.add_argument("--connections", metavar="N", type=whole_number, default=10, help="default: 10")
    parser.add_argument(
        "--connect-rate",
        metavar="R",
        type=number_of("connections"),
        default=500.0,
        help="open so many connections a second (default: 500, which API Gateway allows)",
    )
    parser.add_argument("--duration", metavar="S", type=seconds, default=10.0, help="seconds to send (default: 10)")
    parser.add_argument(
        "--deadline", metavar="S", type=seconds, default=30.0, help="seconds each request may take (default: 30)"
    )


def _add_request_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--compute", metavar="C", default=SYNTHETIC, help="what is asked for (default: %(default)s)")
    parser.add_argument(
        "--params", metavar="JSON", help="the params, with {key} where the number of the key goes, from 0 on"
    )
    parser.add_argument("--size", metavar="BYTES", type=_size, help="of synthetic's data (default: 500)")
    parser.add_argument("--work-ms", metavar="MS", type=_size, help="that synthetic takes (default: 0)")
    parser.add_argument("--keys", metavar="K", type=whole_number, help="ask for so many keys (default: 1000)")
    parser.add_argument(
        "--skew", metavar="X", type=_skew, default=0.0, help="Zipf's exponent: 0 is even (default), 1 is like words"
    )
    parser.add_argument("--cold", action="store_true", help="ask for a new key each time")
    parser.add_argument(
        "--may-change", action="store_true", help="results may change while it runs: hold them against their etags only"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    try:
        plan = make_plan(arguments)
    except ValueError as exc:
        print(f"pushaside: {exc}", file=sys.stderr)
        return Exit.USAGE
    try:
        with open_screen(plan) as screen:
            outcome = run_fleet(plan, screen.show)
    except GeneratorError as exc:
        print(f"pushaside: {exc}", file=sys.stderr)
        return Exit.ERROR
    if is_json(arguments):
        print_document(load_document(plan, outcome))
    else:
        print(describe_outcome(plan, outcome), flush=True)
    return _judge(outcome.tally)


def _judge(tally: Tally) -> Exit:
    if tally.opened:
        return Exit.OK if tally.is_flawless else Exit.ERROR
    # Who is not let in has reached the service.
    return Exit.ERROR if set(tally.refused) <= _REFUSALS else Exit.CONNECTION


def make_plan(arguments: argparse.Namespace) -> Plan:
    """Make a plan of the arguments.

    Raises:
        ValueError: they contradict each other; the sentence says how.

    """
    params = _choose_params(arguments)
    if arguments.cold and arguments.keys:
        raise ValueError("--cold asks for new keys only, so --keys says nothing.")
    if KEY not in params and (arguments.cold or (arguments.keys or 1) > 1):
        raise ValueError(f"There is no {KEY} in --params, so all requests are for one key.")
    if arguments.deadline > MAX_DEADLINE_SECONDS:
        raise ValueError(f"The service takes deadlines of at most {MAX_DEADLINE_SECONDS:g} seconds.")
    return Plan(
        url=arguments.url,
        token=arguments.token,
        compute=arguments.compute,
        params=params,
        rate=arguments.rate,
        concurrency=arguments.concurrency or arguments.connections,
        connections=arguments.connections,
        connect_rate=arguments.connect_rate,
        duration=arguments.duration,
        deadline=arguments.deadline,
        keys=(arguments.keys or 1000) if KEY in params else 1,
        skew=arguments.skew,
        is_cold=arguments.cold,
        has_seed=arguments.compute == SYNTHETIC and arguments.params is None,
        may_change=arguments.may_change,
        # A process without a connection has nothing to do.
        processes=min(arguments.processes, arguments.connections),
        run=secrets.randbits(RUN_BITS),
    )


def _choose_params(arguments: argparse.Namespace) -> str:
    is_made = arguments.size is not None or arguments.work_ms is not None
    if is_made and (arguments.compute != SYNTHETIC or arguments.params is not None):
        raise ValueError(f"--size and --work-ms make the params of {SYNTHETIC}; others are given by --params.")
    if arguments.params is None:
        if arguments.compute != SYNTHETIC:
            return "{}"
        return synthetic_params(500 if arguments.size is None else arguments.size, arguments.work_ms or 0)
    params = str(arguments.params)
    _check_params(params)
    return params


def _check_params(params: str) -> None:
    try:
        value = orjson.loads(params.replace(KEY, "0"))
    except orjson.JSONDecodeError as exc:
        raise ValueError(f"--params are not JSON: {exc}.") from exc
    if not isinstance(value, dict):
        raise ValueError("--params must be a JSON object.")  # noqa: TRY004  (it is what was typed that is wrong)
    if len(params.encode()) > FRAME_BYTES - _ROOM_BYTES:
        raise ValueError("--params are too long for one frame, which holds 32 KB.")


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError("must be a whole number, 0 or more")
    return int(text)


def _skew(text: str) -> float:
    try:
        value = float(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from exc
    if not 0 <= value <= 10:
        raise argparse.ArgumentTypeError("must be a number from 0 to 10")
    return value
