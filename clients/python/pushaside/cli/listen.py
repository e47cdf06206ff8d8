"""`pushaside listen`: receives webhooks, verifies them and prints what they contain."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING

from pushaside.cli.connecting import add_token_argument, default_http_url, run_reporting
from pushaside.cli.exits import Exit
from pushaside.cli.forms import add_form_arguments
from pushaside.cli.helping import describe
from pushaside.cli.option_values import checked, http_url, whole_number
from pushaside.cli.receiving.requests import HttpExchange, HttpRequest, RequestRefusedError
from pushaside.cli.receiving.webhooks import Keys, Receipt, Receiver
from pushaside.cli.screen.receipts import open_sink
from pushaside.http.client import HttpClient
from pushaside.http.downloads import Downloads
from pushaside.reaching import say_reason
from pushaside.settings import Settings
from pushaside.webhooks import check_secret

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

HOST = "127.0.0.1"

_PORT = 8090
_REQUEST_SECONDS = 30.0
_BODY_BYTES = 16 * 1024 * 1024

_DESCRIPTION = (
    "Receive webhooks on this machine, verify their signatures and print what they contain. Verified webhooks are "
    "answered 204, others 401. Without --secret, the secrets come from the service. The command runs until Ctrl-C or "
    "--count. On a terminal it shows a table; in a pipe it prints JSON documents: its URL, then each webhook."
)
_EXAMPLES = [
    ("pushaside listen", "with the secrets from the service"),
    ("pushaside listen --secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw --port 9000", "with a known secret"),
    (
        "pushaside listen --fail-first 2 --count 1",
        "refuse two webhooks, to see the retries, and end after one is received",
    ),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("listen", description=_DESCRIPTION)
    parser.add_argument(
        "--port", metavar="N", type=_port, default=_PORT, help=f"0 finds a free port (default: {_PORT})"
    )
    parser.add_argument("--url", type=http_url, default=default_http_url(), help="the HTTP API (default: %(default)s)")
    parser.add_argument(
        "--secret",
        metavar="whsec_...",
        type=checked(check_secret),
        action="append",
        default=[],
        help="verify with this secret; repeatable; PUSHASIDE_WEBHOOK_SECRET keeps it out of the list of processes",
    )
    parser.add_argument("--count", metavar="N", type=whole_number, help="end after N verified webhooks")
    parser.add_argument(
        "--fail-first",
        metavar="N",
        type=whole_number,
        default=0,
        help="answer 503 to the first N verified webhooks, to see the retries",
    )
    add_token_argument(parser)
    add_form_arguments(parser)
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    secrets = [*arguments.secret, *filter(None, [os.environ.get("PUSHASIDE_WEBHOOK_SECRET")])]

    async def listen() -> None:
        keys = await _find_keys(arguments, tuple(secrets))
        receiver = Receiver(keys, Downloads(Settings()), fail_first=arguments.fail_first)
        await Listener(receiver, arguments).run()

    try:
        return run_reporting(arguments, listen())
    except _UnusableError as exc:
        print(f"pushaside: {exc}", file=sys.stderr)
        return Exit.USAGE


class _UnusableError(Exception):
    """The command cannot run with these arguments; the message is a sentence."""


async def _find_keys(arguments: argparse.Namespace, secrets: tuple[str, ...]) -> Keys:
    for secret in secrets:
        try:
            check_secret(secret)
        except ValueError as exc:
            raise _UnusableError(f"PUSHASIDE_WEBHOOK_SECRET: {exc}") from exc
    if secrets:
        return Keys(secrets, None)
    service = HttpClient(arguments.url, token=arguments.token)
    return Keys(await service.webhook_secrets(), service.webhook_secrets)


class Listener:
    """A server of one address that ends after a number of webhooks."""

    def __init__(self, receiver: Receiver, arguments: argparse.Namespace) -> None:
        self._receiver = receiver
        self._port = arguments.port
        self._sink = open_sink(arguments)
        self._left = arguments.count
        self._enough: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._serving: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the wanted number of webhooks has been received."""
        try:
            server = await asyncio.start_server(self._serve, HOST, self._port)
        except OSError as exc:
            raise _UnusableError(f"Port {self._port} cannot be used: {say_reason(exc)}.") from exc
        async with server:
            self._sink.announce(f"http://{HOST}:{server.sockets[0].getsockname()[1]}/")
            try:
                await self._enough
            finally:
                self._sink.close()
                for task in self._serving:
                    task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (asyncio runs this in a task of its own)
        self._serving.add(task)
        try:
            # The task is cancelled only at the end, which asyncio's streams would report as a failure.
            with contextlib.suppress(ConnectionError, TimeoutError, asyncio.CancelledError):
                await self._take(HttpExchange(reader, writer, _BODY_BYTES))
        finally:
            self._serving.discard(task)
            writer.close()

    async def _take(self, exchange: HttpExchange) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                request = await exchange.read()
        except RequestRefusedError as exc:
            await exchange.answer(exc.status)
            return
        if request is None:
            return
        if request.method != "POST":
            await exchange.answer(HTTPStatus.METHOD_NOT_ALLOWED)
            return
        await self._receive(request, exchange)

    async def _receive(self, request: HttpRequest, exchange: HttpExchange) -> None:
        receipt = await self._receiver.take(request.headers, request.body)
        # The sender need not wait until the whole result is here.
        await exchange.answer(HTTPStatus(receipt.answered))
        exchange.close()
        if receipt.is_verified:
            receipt = await self._receiver.complete(receipt, request.body)
        if not self._enough.done():
            self._print(receipt)

    def _print(self, receipt: Receipt) -> None:
        try:
            self._sink.show(receipt)
        except BrokenPipeError as exc:
            self._enough.set_exception(exc)
            return
        if self._left is not None and receipt.is_received:
            self._left -= 1
            if self._left == 0:
                self._enough.set_result(None)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("must be a port, 0 to 65535")
    return int(text)
