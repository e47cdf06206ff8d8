"""The subcommand `pushaside redrive`, which lists the dead letters of a deployment and sends them again."""

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
"""The most letters of a queue that `--list` shows without `--limit`."""

_DESCRIPTION = (
    "List the dead letters of a deployment, or send them to the queues that they came from. A letter is deleted after "
    "it was sent, so none is lost; one may be sent twice, which every consumer tolerates. Use --list first: the cause "
    "that killed a message may still be there. The exit code is 1 if a letter could not be sent."
)
_EXAMPLES = [
    ("pushaside redrive --list --stack pushaside", "the letters of a deployed stack, with the default credentials"),
    ("pushaside redrive webhook --stack pushaside", "send webhooks again that failed at every attempt"),
    (
        "pushaside redrive --ready-file ready.json --limit 10",
        "ten of each queue of `pushaside local --ready-file ready.json`",
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
    add("--list", action="store_true", help="list the letters without sending them")
    add("--stack", metavar="NAME", help="the deployed stack (default on this machine: local)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--ready-file", type=Path, metavar="PATH", help="the ready file of `pushaside local`")
    where.add_argument("--aws-endpoint", metavar="URL", help="the emulator that `pushaside local` deployed to")
    add(
        "--limit",
        type=_positive_int,
        metavar="N",
        help="the most letters of each queue (default: all; with --list, 100)",
    )
    add_form_arguments(parser)
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run_command)


def run_command(arguments: argparse.Namespace) -> int:
    """List or redrive the letters and return the exit code."""
    try:
        make_client = _clients(arguments)
        if make_client is None:
            sentence = (
                "Name the stack: --stack for a deployed one, --ready-file or --aws-endpoint for one on this machine."
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
    """Return a factory of boto3 clients, or None if the arguments name no stack.

    Use the developer's own account only for a named stack, and never together with an endpoint.
    """
    endpoint = arguments.aws_endpoint
    if arguments.ready_file is not None:
        endpoint = _read_endpoint(arguments.ready_file)
    if endpoint is not None:
        from local.deploying.aws_clients import AwsClients  # loading boto3 would slow --help

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
        raise RedriveError(f"{ready_file} is not the ready file of a running stack: {error}.") from error


def _list(queue: DeadLetterQueue, arguments: argparse.Namespace) -> bool:
    letters = queue.peek(arguments.limit or _LISTED)
    if is_json(arguments):
        _print({"type": "queue", "queue": queue.name, "dead_letters": queue.count})
    else:
        print(_heading(queue), flush=True)
    _show(queue, letters, arguments)
    return True


def _redrive(queue: DeadLetterQueue, arguments: argparse.Namespace) -> bool:
    """Send the letters again. Return whether all of them were sent."""
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
    """A progress bar on standard error, if that is a terminal."""

    def __init__(self, queue: DeadLetterQueue, limit: int | None) -> None:
        self._bar: Bar | None = None
        if queue.count and can_draw(sys.stderr):
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            is_shared = sys.stdout.isatty()
            console = make_console(sys.stderr)
            self._bar = Bar(*columns, console=console, transient=True, redirect_stdout=is_shared)
            # SQS's count is approximate: there may be more.
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
        """Show the number of letters done."""
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
    parts = [f"{total.sent} sent again to {queue.source_id}, or to the queue that they came from"]
    if total.refused:
        parts.append(f"{total.refused} kept, because SQS refused them: {total.reason}")
    if total.unsendable:
        parts.append(f"{total.unsendable} kept, because they name lost records of a stream, which no queue accepts")
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
    """Format an age for people.

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
        raise argparse.ArgumentTypeError(f"{text!r} is not a queue; choose one of {', '.join(QUEUES)}")
    return text


def _positive_int(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)
