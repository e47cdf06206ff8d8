"""The command `pushaside load`."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pushaside.cli.connecting import add_connection_arguments
from pushaside.cli.exits import Exit
from pushaside.cli.forms import add_form_arguments, is_json
from pushaside.cli.helping import describe
from pushaside.cli.output import print_document
from pushaside_tools.load.fleet import GeneratorError, Outcome, run_fleet
from pushaside_tools.load.options import add_load_arguments, add_request_arguments, add_topic_arguments, make_plan
from pushaside_tools.load.plan import Plan
from pushaside_tools.load.report import describe_outcome, is_silent, load_document
from pushaside_tools.load.screen import open_screen

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_REFUSALS = {"status 401", "status 403"}

_DESCRIPTION = (
    "Put load on a service, measure latencies and check every answer. With --rate the command sends requests at fixed "
    "times however slow the answers are, and latency counts from those times. Otherwise it keeps a fixed number of "
    "requests under way. On a terminal a table shows the progress. At the end the command prints a summary, or in a "
    "pipe one JSON document. The exit code is 1 if an answer or a message was lost, doubled, out of order or wrong, or "
    "could not be sent."
)
_EXAMPLES = [
    (
        "pushaside load --connections 100 --duration 30",
        "a hundred workers, each waiting for its answer",
    ),
    ("pushaside load --rate 1000 --connections 100 --keys 5000 --skew 1", "latency at a thousand requests a second"),
    ("pushaside load --rate 50 --cold --work-ms 20 --json", "misses only, as JSON"),
    ("pushaside load --rate 500 --cold-share 0.05 --html report.html", "mostly hits, with a report"),
    ("pushaside load --subscribers 1000 --topics 10 --publish-rate 20", "messages to a hundred subscribers each"),
    ("pushaside plan --requests-per-second 1000", "what such a load costs on AWS"),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("load", description=_DESCRIPTION)
    add_load_arguments(parser)
    add_request_arguments(parser)
    add_topic_arguments(parser)
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a report with plots (needs pygal)")
    parser.add_argument("--hdr", metavar="FILE", type=Path, help="write percentiles in HdrHistogram's format (.hgrm)")
    add_connection_arguments(parser)
    add_form_arguments(parser)
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    try:
        plan = make_plan(arguments)
        _check_plots(arguments.html)
        for path in (arguments.html, arguments.hdr):
            _check_writable(path)
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
    try:
        _write_files(arguments, plan, outcome)
    except OSError as exc:
        print(f"pushaside: {exc.filename} cannot be written: {exc.strerror}.", file=sys.stderr)
        return Exit.ERROR
    return _judge(plan, outcome)


def _check_plots(report: Path | None) -> None:
    if report is not None and importlib.util.find_spec("pygal") is None:
        raise ValueError("--html needs pygal, which is not installed: `pip install 'pushaside-tools[report]'`.")


def _check_writable(path: Path | None) -> None:
    """Check before the run that its report can be written."""
    if path is None:
        return
    try:
        path.open("a").close()
    except OSError as exc:
        raise ValueError(f"{path} cannot be written: {exc.strerror}.") from exc


def _write_files(arguments: argparse.Namespace, plan: Plan, outcome: Outcome) -> None:
    if arguments.hdr is not None:
        _write_percentiles(arguments.hdr, plan, outcome)
    if arguments.html is not None:
        # Import pygal only when it is needed.
        from pushaside_tools.load.report_html import write_report

        arguments.html.write_text(write_report(plan, outcome), encoding="utf-8")


def _write_percentiles(path: Path, plan: Plan, outcome: Outcome) -> None:
    """Write a file for requests or deliveries; if there are both, a second file beside it for deliveries."""
    delivery = outcome.tally.topics.delivery
    if plan.connections:
        path.write_text(outcome.tally.latency.write_hgrm(), encoding="ascii")
        path = path.with_name(f"{path.stem}.deliveries{path.suffix}")
    if plan.topics is not None:
        path.write_text(delivery.write_hgrm(), encoding="ascii")


def _judge(plan: Plan, outcome: Outcome) -> Exit:
    tally = outcome.tally
    if not tally.opened:
        # A refused token is an answer of the service.
        return Exit.ERROR if set(tally.refused) <= _REFUSALS else Exit.CONNECTION
    return Exit.ERROR if tally.has_flaw or is_silent(plan, tally) else Exit.OK
