"""A page of another origin, served by somebody else, uses the HTTP API: what its CORS configuration lets it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import OpenPage
from tests.e2e.conftest import ROOT, Stack, running

pytestmark = pytest.mark.slow

CLIENTS = ROOT / "clients/browser"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by http.server
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Another origin, with the client among its files."""
    handler = partial(QuietHandler, directory=str(CLIENTS))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def page_with_client(open_page: OpenPage, origin: str, stack: Stack) -> Page:
    page = open_page(f"{origin}/README.md", may_fail=True)  # it has no icon, which Chromium asks for
    page.evaluate(
        """async url => {
          window.pushaside = await import("/pushaside.js");
          window.http = new pushaside.HttpClient(url);
        }""",
        stack.http,
    )
    return page


def test_it_gets_a_result_and_reads_its_etag(open_page: OpenPage, elsewhere: str, stack: Stack) -> None:
    page = page_with_client(open_page, elsewhere, stack)
    known, again = page.evaluate(
        """async () => {
          const params = { collection: "airports", ids: ["TX"] };
          const known = await http.result("documents", params);
          return [known, await http.result("documents", params, { known })];
        }"""
    )
    assert known["data"][0]["state"] == "TX"
    assert known["etag"]
    assert again == known | {"ageMs": again["ageMs"]}


def test_it_hands_a_request_over_and_waits_for_it(open_page: OpenPage, elsewhere: str, stack: Stack) -> None:
    page = page_with_client(open_page, elsewhere, stack)
    result = page.evaluate(
        """async () => {
          const { id } = await http.submit("documents", { collection: "airports", ids: ["CA"] });
          return http.wait(id, { deadline: 30 });
        }"""
    )
    assert result["data"][0]["state"] == "CA"


def test_it_gets_nothing_if_its_origin_is_not_allowed(open_page: OpenPage, elsewhere: str, tmp_path: Path) -> None:
    with running(tmp_path, "--parameter", "AllowedOrigins=https://app.example.com") as closed:
        page = page_with_client(open_page, elsewhere, closed)
        seen = page.evaluate(
            """async url => {
              const outcome = async (options) => fetch(`${url}healthz`, options).then(() => "read", each => each.name);
              return [await outcome({}), await outcome({ mode: "no-cors" })];
            }""",
            closed.http,
        )
    assert seen == ["TypeError", "read"]
