"""`pushaside subscribe`: prints what is new of a channel or of a live result, as it comes."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import sys
from typing import TYPE_CHECKING

import orjson

from pushaside import PushasideError, Settings, Subscription, Update, connect
from pushaside.cli.connecting import add_connection_arguments, run_reporting, whole_number
from pushaside.cli.exits import Exit
from pushaside.cli.output import print_document
from pushaside.positions import parse_position

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

_KEEPALIVE_SECONDS = 30.0
"""Somebody is watching: a connection that is dead without a word is to be noticed soon."""


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    description = (
        "Print what is new of a channel, or of the result of a compute, until Ctrl-C: a line each, with time, position "
        "and data. What came while the network was cut is printed once it is back."
    )
    parser = subparsers.add_parser("subscribe", description=description)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("topic", metavar="TOPIC", nargs="?", help="a channel, such as prices:eur")
    what.add_argument("--compute", metavar="C", help="a compute, whose result is subscribed to")
    parser.add_argument("--params", metavar="JSON", type=_params, help="its params: a JSON object")
    parser.add_argument("--count", metavar="N", type=whole_number, help="end after so many updates")
    parser.add_argument("--since", metavar="P", type=_position, help="a position: what came after it comes first")
    add_connection_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    if arguments.topic is not None and arguments.params is not None:
        print("pushaside: --params are those of a --compute.", file=sys.stderr)
        return Exit.USAGE
    return run_reporting(arguments, _subscribe(arguments))


async def _subscribe(arguments: argparse.Namespace) -> None:
    settings = Settings(keepalive_seconds=_KEEPALIVE_SECONDS)
    async with connect(arguments.url, token=arguments.token, settings=settings) as client:
        params = None if arguments.compute is None else arguments.params or {}
        subscription = client.subscribe(
            arguments.topic, compute=arguments.compute, params=params, since=arguments.since
        )
        async with subscription:
            _say(f"subscribed to {subscription.topic} · {subscription.position}")
            condition = _Condition(subscription)
            watching = asyncio.create_task(condition.watch())
            try:
                await _print_updates(subscription, condition, arguments)
            finally:
                watching.cancel()


async def _print_updates(subscription: Subscription, condition: _Condition, arguments: argparse.Namespace) -> None:
    left = arguments.count
    async for update in subscription:
        condition.tell()
        if arguments.json:
            print_document(_document(update))
        else:
            print(describe_update(update, dt.datetime.now().astimezone()), flush=True)
        if left is not None:
            left -= 1
            if left == 0:
                return


class _Condition:
    """Says when the subscription does not hold for a while, and what keeps a live result from being computed."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._holds = True
        self._failure: PushasideError | None = None

    async def watch(self) -> None:
        """Say it as it happens."""
        while True:
            self.tell()
            await self._subscription.changed()

    def tell(self) -> None:
        """Say what has changed."""
        if self._subscription.holds is not self._holds:
            self._holds = self._subscription.holds
            _say("connected again, and catching up" if self._holds else "the connection is lost; connecting again")
        if self._subscription.failure is not self._failure:
            self._failure = self._subscription.failure
            if self._failure is not None:
                _say(f"cannot be computed: {self._failure.message} ({self._failure.code})")


def describe_update(update: Update, at: dt.datetime) -> str:
    """Say in a line what is new.

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
    """Write an update as it came over the wire."""
    document = {"type": "resync" if update.is_resync else "update", "topic": update.topic, "position": update.position}
    return {**document, **({"etag": update.etag} if update.etag else {}), "data": update.data}


def _say(sentence: str) -> None:
    print(f"pushaside: {sentence}", file=sys.stderr, flush=True)


def _params(text: str) -> dict[str, object]:
    try:
        params = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise argparse.ArgumentTypeError(f"not JSON: {exc}") from exc
    if not isinstance(params, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return params


def _position(text: str) -> str:
    try:
        return str(parse_position(text))
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
