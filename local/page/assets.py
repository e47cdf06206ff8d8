"""The page's files, as an explicit list: a request cannot name any other file."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from local.gateway.http_connection import HttpConnection
from local.gateway.http_messages import HttpRequest, message_response, response
from pushaside_service import BROWSER_CLIENT

Route = Callable[[HttpRequest, HttpConnection], None]

PREFIX: Final = "/_local/page/"

_HTML = "text/html; charset=utf-8"
_CSS = "text/css; charset=utf-8"
_JAVASCRIPT = "text/javascript; charset=utf-8"

_PAGE = Path(__file__).parent
_UPLOT = _PAGE / "node_modules" / "uplot" / "dist"

_MODULES = (
    "airports.js",
    "charts.js",
    "compute_panel.js",
    "computes.js",
    "connection.js",
    "dom.js",
    "figures.js",
    "leaderboard.js",
    "messages.js",
    "page.js",
    "params_form.js",
    "rates.js",
    "schema_fields.js",
    "simple_fields.js",
    "states.js",
)
FILES: Final[Mapping[str, tuple[Path, str]]] = {
    "page.css": (_PAGE / "page.css", _CSS),
    **{name: (_PAGE / name, _JAVASCRIPT) for name in _MODULES},
    "icon.svg": (_PAGE / "icon.svg", "image/svg+xml"),
    "pushaside.js": (BROWSER_CLIENT / "pushaside.js", _JAVASCRIPT),
    "uPlot.esm.js": (_UPLOT / "uPlot.esm.js", _JAVASCRIPT),
    "uPlot.min.css": (_UPLOT / "uPlot.min.css", _CSS),
}
"""The path and content type of each file served under PREFIX. `npm ci` installs uPlot's files."""

# The page fetches results too large for a frame from the embedded S3, which has another origin.
_POLICY = "default-src 'self'; connect-src *; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"

_NOT_FOUND = message_response(404, "Not Found")
_METHOD_NOT_ALLOWED = message_response(405, "Method Not Allowed", [("Allow", "GET, HEAD")])


class PageAssets:
    """Serves the page at `/`, and its files.

    Files are read at every request, so an edited file needs no restart. A browser with the current file gets 304.
    """

    def __init__(self, stage: str, *, demo: bool, application: str = "", has_own_page: bool = False) -> None:
        """Pass the page the WebSocket API's `stage`, and whether there is demo data.

        For an application, pass its name and whether it has a page of its own.
        """
        self._stage, self._demo, self._application = html.escape(stage), demo, html.escape(application)
        self._has_own_page = has_own_page

    @property
    def routes(self) -> dict[str, Route]:
        """The served paths and their handlers."""
        files = {f"{PREFIX}{name}": file_route(path, content_type) for name, (path, content_type) in FILES.items()}
        return {"/": self._answer_page, **files}

    def _answer_page(self, request: HttpRequest, connection: HttpConnection) -> None:
        has_charts = FILES["uPlot.esm.js"][0].is_file()
        values = {
            "stage": self._stage,
            "application": self._application,
            "title": self._application or "Pushaside",
            "without_page": "" if self._has_own_page else " hidden",
            "demo": _yes_or_no(self._demo),
            "charts": _yes_or_no(has_charts),
        }
        text = (_PAGE / "index.html").read_text(encoding="utf-8")
        for name, value in values.items():
            text = text.replace(f"{{{{{name}}}}}", value)
        connection.respond(_answer(request, text.encode(), _HTML, [("Content-Security-Policy", _POLICY)]))


def _yes_or_no(is_so: bool) -> str:  # noqa: FBT001
    return "yes" if is_so else "no"


def file_route(path: Path, content_type: str) -> Route:
    """Return the handler that answers with a file, which it reads at every request."""

    def answer(request: HttpRequest, connection: HttpConnection) -> None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            connection.respond(_NOT_FOUND)
        else:
            connection.respond(_answer(request, content, content_type))

    return answer


def _answer(
    request: HttpRequest, content: bytes, content_type: str, headers: list[tuple[str, str]] | None = None
) -> bytes:
    if request.method not in (b"GET", b"HEAD"):
        return _METHOD_NOT_ALLOWED
    etag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
    about = [("ETag", etag), ("Cache-Control", "no-cache"), ("X-Content-Type-Options", "nosniff"), *(headers or ())]
    if etag.encode() in request.header(b"if-none-match"):
        return response(304, about)
    return response(200, [("Content-Type", content_type), *about], content, head=request.method == b"HEAD")
