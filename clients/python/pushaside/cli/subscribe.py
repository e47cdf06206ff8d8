"""`pushaside subscribe`: prints the updates of a channel or of a live result as they arrive."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson

from pushaside import PushasideError, Settings, Subscription, Update, connect
from pushaside.cli.connecting import add_connection_arguments, run_reporting
from pushaside.cli.exits import Exit
from pushaside.cli.forms import add_form_arguments, can_draw, is_json
from pushaside.cli.helping import describe
from pushaside.cli.option_values import json_object, whole_number
from pushaside.cli.output import print_document
from pushaside.protocol.positions import parse_position

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_KEEPALIVE_SECONDS = 30.0
"""Shorter than the client's default, so that a person who watches learns soon of a silent loss."""

_DESCRIPTION = (
    "Print the updates of a channel, or of the result of a compute, until Ctrl-C. Each message of a channel is a line "
    "with time, position and data. A live result on a terminal is a table that updates in place and marks changes: "
    "+ new, ▲ up, ▼ down, ● another value. Messages that were missed during a lost connection follow after it."
)
_EXAMPLES = [
    ("pushaside subscribe demo:news", "a channel"),
    ('pushaside subscribe --compute leaderboard --params \'{"board":"demo","top":10}\'', "a live leaderboard"),
    ("pushaside subscribe demo:news --since k3f9:17 --count 10", "ten messages after a position"),
    ("pushaside subscribe demo:news | jq .data", "in a pipe: a JSON document on each line"),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("subscribe", description=_DESCRIPTION)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("topic", metavar="TOPIC", nargs="?", help="a channel, such as prices:eur")
    what.add_argument("--compute", metavar="C", help="subscribe to the result of this compute")
    parser.add_argument(
        "--params", metavar="JSON", type=json_object, help="its params: a JSON object, @FILE, or - for standard input"
    )
    parser.add_argument("--count", metavar="N", type=whole_number, help="end after N updates")
    parser.add_argument("--since", metavar="P", type=_position, help="start with the messages after this position")
    parser.add_argument("--patches", action="store_true", help="receive only the changes of a result")
    add_connection_arguments(parser)
    add_form_arguments(parser)
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    if arguments.topic is not None and arguments.params is not None:
        print("pushaside: --params needs --compute.", file=sys.stderr)
        return Exit.USAGE
    if arguments.topic is not None and arguments.patches:
        print("pushaside: --patches needs a live result: --compute.", file=sys.stderr)
        return Exit.USAGE
    return run_reporting(arguments, _subscribe(arguments))


async def _subscribe(arguments: argparse.Namespace) -> None:
    settings = Settings(keepalive_seconds=_KEEPALIVE_SECONDS)
    async with connect(arguments.url, token=arguments.token, settings=settings) as client:
        params = None if arguments.compute is None else arguments.params or {}
        subscription = client.subscribe(
            arguments.topic,
            compute=arguments.compute,
            params=params,
            since=arguments.since,
            patches=arguments.patches,
        )
        async with subscription:
            if not is_json(arguments) and arguments.compute is not None and can_draw(sys.stdout):
                await _draw(subscription, arguments.count)
            else:
                await _print(subscription, arguments)


async def _print(subscription: Subscription, arguments: argparse.Namespace) -> None:
    at = "" if subscription.position is None else f" · {subscription.position}"
    _say(f"subscribed to {subscription.topic}{at}")
    condition = _Condition(subscription)
    show = _print_document if is_json(arguments) else _print_line

    def take(update: Update) -> None:
        condition.tell()
        show(update)

    await _watch(subscription, arguments.count, take, condition.tell)


async def _draw(subscription: Subscription, count: int | None) -> None:
    from pushaside.cli.screen.live_value import LiveValue

    with LiveValue(subscription) as value:
        await _watch(subscription, count, lambda update: value.show(update, _now()), value.tell)


async def _watch(
    subscription: Subscription, count: int | None, take: Callable[[Update], None], tell: Callable[[], None]
) -> None:
    """Pass each update to `take`, and call `tell` when the connection's state changes; end after `count` updates."""
    watching = asyncio.create_task(_tell_changes(subscription, tell))
    left = count
    try:
        async for update in subscription:
            take(update)
            if left is not None:
                left -= 1
                if left == 0:
                    return
    finally:
        watching.cancel()


async def _tell_changes(subscription: Subscription, tell: Callable[[], None]) -> None:
    while True:
        tell()
        await subscription.changed()


def _print_document(update: Update) -> None:
    print_document(_document(update))


def _print_line(update: Update) -> None:
    print(describe_update(update, _now()), flush=True)


def _now() -> dt.datetime:
    return dt.datetime.now().astimezone()


class _Condition:
    """Reports when the subscription is interrupted, and when the compute of a live result fails."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._holds = True
        self._failure: PushasideError | None = None

    def tell(self) -> None:
        """Report the changes since the last call."""
        if self._subscription.holds is not self._holds:
            self._holds = self._subscription.holds
            _say("reconnected, catching up" if self._holds else "connection lost, reconnecting")
        if self._subscription.failure is not self._failure:
            self._failure = self._subscription.failure
            if self._failure is not None:
                _say(f"the compute fails: {self._failure.message} ({self._failure.code})")


def describe_update(update: Update, at: dt.datetime) -> str:
    """Describe an update in a line.

    >>> at = dt.datetime(2026, 1, 2, 15, 4, 5, 678_000)
    >>> describe_update(Update("prices:eur", "k3f9:17", {"bid": 1.1}, "", False), at)
    '15:04:05.678 · k3f9:17 · {"bid":1.1}'
    """
    parts = [
        at.isoformat(timespec="milliseconds").partition("T")[2][:12],
        update.position,
        "resync" if update.is_resync else "",
        orjson.dumps(update.data).decode(),
    ]
    return " · ".join(part for part in parts if part)


def _document(update: Update) -> dict[str, object]:
    """Return an update in the form of the wire."""
    document = {"type": "resync" if update.is_resync else "update", "topic": update.topic, "position": update.position}
    return {**document, **({"etag": update.etag} if update.etag else {}), "data": update.data}


def _say(sentence: str) -> None:
    print(f"pushaside: {sentence}", file=sys.stderr, flush=True)


def _position(text: str) -> str:
    try:
        return str(parse_position(text))
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
