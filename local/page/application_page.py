"""The page of an application: its `index.html`, the files beside it, and the browser client."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from local.gateway.http_connection import HttpConnection
from local.gateway.http_messages import HttpRequest, response
from local.page.assets import Route, file_route
from pushaside_service import BROWSER_CLIENT

PATH: Final = "/app/"

_INDEX = "index.html"
_CLIENT = ("pushaside.js", "react.js")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
"""Content types by suffix. A file of another type, such as a declaration or a secret, is never served."""


def application_routes(folder: Path) -> dict[str, Route]:
    """Return the paths of an application's page and their handlers; none if the folder has no `index.html`.

    The list is made once, so a request cannot name any other file. A file of the application takes the place of the
    client's file of the same name.
    """
    if not (folder / _INDEX).is_file():
        return {}
    client = {name: BROWSER_CLIENT / name for name in _CLIENT}
    own = {path.name: path for path in folder.iterdir() if path.is_file() and path.suffix in _TYPES}
    files = {name: file_route(path, _TYPES[path.suffix]) for name, path in {**client, **own}.items()}
    paths = {f"{PATH}{name}": route for name, route in files.items()}
    return {PATH.rstrip("/"): _redirect, PATH: files[_INDEX], **paths}


def _redirect(_request: HttpRequest, connection: HttpConnection) -> None:
    connection.respond(response(308, [("Location", PATH)]))
