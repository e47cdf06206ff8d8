"""The subcommand `pushaside redrive`: lists the dead letters of a deployment, and sends them again."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson

from local.dead_letters import QUEUES, DeadLetter, DeadLetterQueue, RedriveError, Redriven, find_queues
from pushaside.cli.exits import Exit
from pushaside.cli.forms import add_form_arguments, can_draw, is_json, make_console
from pushaside.cli.helping import describe

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_SHOWN_CHARACTERS = 100
_LISTED = 100
"""So many letters of a queue are listed, if nothing else is said."""

_DESCRIPTION = (
    "List the dead letters of a deployment, and send them to the queues that they came from. Letters are deleted once "
    "they are sent again, so that none is lost; one may be sent twice, which all consumers bear. Look at --list first: "
    "what killed a message once may do so again. The exit code is 1 if a letter had to be left."
)
_EXAMPLES = [
    ("pushaside redrive --list --stack pushaside", "what is there, in a deployed stack, with the default credentials"),
    ("pushaside redrive webhook --stack pushaside", "the webhooks that were given up"),
    (
        "pushaside redrive --ready-file ready.json --limit 10",
        "of the stack of `pushaside local --ready-file ready.json`",
    ),
]


def add_parser(subparsers: Any) -> None:  # noqa: ANN401  # argparse has no public type for it
    """Add the subcommand to the command line of `pushaside`."""
    parser = subparsers.add_parser(
        "redrive",
        help="send dead letters again",
        description=_DESCRIPTION,
    )
    add = parser.add_argument
    add("queues", metavar="QUEUE", nargs="*", type=_queue, help=f"one of {', '.join(QUEUES)} (default: all)")
    add("--list", action="store_true", help="list the letters and leave them where they are")
    add("--stack", metavar="NAME", help="the deployed stack (default, on this machine: local)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--ready-file", type=Path, metavar="PATH", help="what `pushaside local` wrote when it was ready")
    where.add_argument("--aws-endpoint", metavar="URL", help="the emulator that `pushaside local` deployed to")
    add(
        "--limit",
        type=_positive_int,
        metavar="N",
        help="no more than so many letters of each queue (default: all; with --list, 100)",
    )
    add_form_arguments(parser)
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run_command)


def run_command(arguments: argparse.Namespace) -> int:
    """List or redrive; return the exit code."""
    try:
        make_client = _clients(arguments)
        if make_client is None:
            sentence = (
                "Say where: --stack for a deployed stack, --ready-file or --aws-endpoint for one on this machine."
            )
            print(f"pushaside redrive: {sentence}", file=sys.stderr)
            return Exit.USAGE
        queues = find_queues(make_client, arguments.stack or "local", arguments.queues)
        complete = [_list(queue, arguments) if arguments.list else _redrive(queue, arguments) for queue in queues]
    except RedriveError as error:
        print(f"pushaside redrive: {error}", file=sys.stderr)
        return Exit.ERROR
    return Exit.OK if all(complete) else Exit.ERROR


def _clients(arguments: argparse.Namespace) -> Any:  # noqa: ANN401  # makes boto3 clients
    """Return what makes clients; None if nothing says where the stack is.

    The developer's own account is asked only for a stack that was named, and never together with an endpoint.
    """
    endpoint = arguments.aws_endpoint
    if arguments.ready_file is not None:
        endpoint = _read_endpoint(arguments.ready_file)
    if endpoint is not None:
        from local.deploying.aws_clients import AwsClients  # boto3 need not be loaded to print help

        return AwsClients(endpoint).client
    if arguments.stack is None:
        return None
    import boto3

    return boto3.Session().client


def _read_endpoint(ready_file: Path) -> str:
    try:
        ready = json.loads(ready_file.read_bytes())
        return str(ready["aws_endpoint"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RedriveError(f"{ready_file} is no ready file of a stack that runs: {error}.") from error


def _list(queue: DeadLetterQueue, arguments: argparse.Namespace) -> bool:
    letters = queue.peek(arguments.limit or _LISTED)
    if is_json(arguments):
        _print({"type": "queue", "queue": queue.name, "dead_letters": queue.count})
    else:
        print(_heading(queue), flush=True)
    _show(queue, letters, arguments)
    return True


def _redrive(queue: DeadLetterQueue, arguments: argparse.Namespace) -> bool:
    """Send the letters again; tell whether none had to be left."""
    if not is_json(arguments):
        print(_heading(queue), flush=True)
    total = Redriven()
    with _Progress(queue, arguments.limit) as progress:
        for batch in queue.redrive(arguments.limit):
            total += batch
            _show(queue, batch.letters, arguments)
            progress.show(len(total.letters))
    if is_json(arguments):
        counts = {"sent": total.sent, "refused": total.refused, "unsendable": total.unsendable}
        _print({"type": "redriven", "queue": queue.name, **counts})
    elif total.letters:
        print(_summary(queue, total), flush=True)
    return total.refused + total.unsendable == 0


class _Progress:
    """A bar on standard error while letters are sent again, if that is a terminal."""

    def __init__(self, queue: DeadLetterQueue, limit: int | None) -> None:
        self._bar: Bar | None = None
        if queue.count and can_draw(sys.stderr):
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            is_shared = sys.stdout.isatty()
            console = make_console(sys.stderr)
            self._bar = Bar(*columns, console=console, transient=True, redirect_stdout=is_shared)
            # SQS counts roughly: there may be more.
            self._task = self._bar.add_task(queue.name, total=min(queue.count, limit or queue.count))

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int) -> None:
        """Say how many are done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)


def _show(queue: DeadLetterQueue, letters: Sequence[DeadLetter], arguments: argparse.Namespace) -> None:
    for letter in letters:
        if is_json(arguments):
            _print(_document(queue, letter))
        else:
            print(_line(letter), flush=True)


def _heading(queue: DeadLetterQueue) -> str:
    return f"{queue.name:<9} {queue.count} in {queue.logical_id}"


def _summary(queue: DeadLetterQueue, total: Redriven) -> str:
    parts = [f"{total.sent} sent again to {queue.source_id}, or to where they say they came from"]
    if total.refused:
        parts.append(f"{total.refused} left, for SQS did not take them: {total.reason}")
    if total.unsendable:
        parts.append(f"{total.unsendable} left, for they tell of lost records of a stream, which no queue takes")
    return f"{'':<9} {'; '.join(parts)}"


def _document(queue: DeadLetterQueue, letter: DeadLetter) -> dict[str, object]:
    return {
        "type": "letter",
        "queue": queue.name,
        "message_id": letter.message_id,
        "age_seconds": round(letter.age_seconds, 3),
        "receives": letter.receives,
        "outcome": letter.outcome,
        "body": letter.body,
    }


def _line(letter: DeadLetter) -> str:
    first = letter.body.splitlines()[0] if letter.body.strip() else ""
    shown = first if len(first) <= _SHOWN_CHARACTERS else f"{first[:_SHOWN_CHARACTERS]}…"
    return f"{'':<9} {describe_age(letter.age_seconds):>8}  {shown}"


def describe_age(seconds: float) -> str:
    """Say an age as people do.

    >>> describe_age(5), describe_age(600), describe_age(7_500), describe_age(200_000)
    ('5 s', '10 min', '2.1 h', '2.3 days')
    """
    for size, name in ((86_400, "days"), (3_600, "h")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def _print(document: dict[str, object]) -> None:
    print(orjson.dumps(document).decode(), flush=True)


def _queue(text: str) -> str:
    if text not in QUEUES:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(QUEUES)}")
    return text


def _positive_int(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)
