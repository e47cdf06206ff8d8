"""The options of commands that use the service, and the function that runs such a command and reports its errors."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from urllib.parse import urlsplit

from pushaside import Client, HttpClient, PushasideError, Settings, connect
from pushaside.cli.exits import exit_of
from pushaside.cli.option_values import http_url, seconds, websocket_url
from pushaside.cli.output import error_document, print_document

DEFAULT_URL = "ws://127.0.0.1:8080/v1"


def add_connection_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that opens a socket."""
    url = os.environ.get("PUSHASIDE_URL") or DEFAULT_URL
    parser.add_argument("--url", type=websocket_url, default=url, help="the service's URL (default: %(default)s)")
    add_token_argument(parser)


def add_token_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option for the token."""
    parser.add_argument(
        "--token",
        default=os.environ.get("PUSHASIDE_TOKEN") or None,
        help="the token to connect with; PUSHASIDE_TOKEN keeps it out of the list of processes",
    )


def add_http_url_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option of commands that use the HTTP API alone."""
    parser.add_argument(
        "--http-url",
        metavar="URL",
        type=http_url,
        default=os.environ.get("PUSHASIDE_HTTP_URL") or None,
        help="the HTTP API, if its host or port differs from the socket's",
    )


def add_deadline_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option of commands that end with one answer."""
    parser.add_argument(
        "--deadline", metavar="S", type=seconds, default=30.0, help="time out after S seconds (default: 30)"
    )


def make_http_client(arguments: argparse.Namespace) -> HttpClient:
    """Make the client of such a command."""
    return HttpClient(arguments.http_url or http_url_beside(arguments.url), token=arguments.token)


def default_http_url() -> str:
    """Return the URL of the HTTP API from the environment; by default it is on the socket's host and port."""
    given = os.environ.get("PUSHASIDE_HTTP_URL")
    return given or http_url_beside(os.environ.get("PUSHASIDE_URL") or DEFAULT_URL)


def http_url_beside(websocket_url: str) -> str:
    """Return the URL of an HTTP API on the same host and port as a WebSocket.

    >>> http_url_beside("wss://example.com/v1")
    'https://example.com/'
    """
    parts = urlsplit(websocket_url)
    return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}/"


def run_connected(
    arguments: argparse.Namespace, work: Callable[[Client], Awaitable[None]], *, open_timeout: float
) -> int:
    """Connect, run the work and close; report an error, and return the exit code.

    `open_timeout` bounds one attempt to connect, in seconds.
    """
    settings = Settings(open_timeout_seconds=open_timeout)

    async def run() -> None:
        async with connect(arguments.url, token=arguments.token, settings=settings) as client:
            await work(client)

    return run_reporting(arguments, run())


def run_reporting(arguments: argparse.Namespace, work: Coroutine[object, object, None]) -> int:
    """Run the work; report an error, and return the exit code."""
    try:
        asyncio.run(work)
    except PushasideError as exc:
        if arguments.json:
            print_document(error_document(exc))
        else:
            print(f"pushaside: {exc.message} ({exc.code})", file=sys.stderr)
        return exit_of(exc)
    return 0
