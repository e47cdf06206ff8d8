"""The catalogue of computes that a command works from: of an application's folder, or of a running service."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pushaside.cli.connecting import add_deadline_argument, add_token_argument, http_url_beside
from pushaside.cli.option_values import http_url, websocket_url
from pushaside.errors import PushasideError
from pushaside.http.client import HttpClient

Catalogue = Sequence[Mapping[str, Any]]

GROUP = "pushaside.catalogues"
"""The group of entry points that read the catalogue of a folder. It has one, of the distribution pushaside-service."""


class CatalogueUnavailableError(Exception):
    """A catalogue cannot be read; the message is a sentence."""


def add_catalogue_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a catalogue."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--app", type=Path, default=Path(), metavar="DIR", help="folder of the application (default: this folder)"
    )
    source.add_argument(
        "--url", type=websocket_url, default=None, help="the URL of a running service, in place of --app"
    )
    source.add_argument(
        "--http-url", metavar="URL", type=http_url, default=None, help="its HTTP API, in place of --url"
    )
    add_deadline_argument(parser)
    add_token_argument(parser)


def read_catalogue(arguments: argparse.Namespace) -> Catalogue:
    """Return the computes on offer, as `GET /computes` lists them.

    Raises:
        CatalogueUnavailableError: the folder is no application, its modules fail, or the service does not answer.

    """
    if arguments.url is None and arguments.http_url is None:
        return _find_reader()(arguments.app)
    url = arguments.http_url or os.environ.get("PUSHASIDE_HTTP_URL") or http_url_beside(arguments.url)
    try:
        return asyncio.run(HttpClient(url, token=arguments.token).computes(deadline=arguments.deadline))
    except PushasideError as exc:
        raise CatalogueUnavailableError(f"{url} did not return its computes: {exc.message} ({exc.code})") from exc


def _find_reader() -> Callable[[Path], Catalogue]:
    # Reading the installed entry points is slow, and `--url` needs none of them.
    from importlib.metadata import entry_points

    found = next(iter(entry_points(group=GROUP)), None)
    if found is None:
        raise CatalogueUnavailableError(
            "A folder's computes need pushaside-service; `pip install pushaside-service` installs it. Or name a running"
            " service with --url."
        )
    reader: Callable[[Path], Catalogue] = found.load()
    return reader
