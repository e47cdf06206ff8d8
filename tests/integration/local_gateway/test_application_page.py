"""The page of an application: its `index.html`, the files beside it, and the browser client."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.gateway.server import Gateway
from local.page import application_routes
from pushaside_service import BROWSER_CLIENT
from tests.integration.local_gateway.fake_functions import FakeFunctions
from tests.integration.local_gateway.served_gateways import Serve
from tests.integration.local_gateway.test_http_api import fetch, get, http_api, post

SECRET = b"never to be served"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"index.html": "<h1>Shop", "page.js": "draw()", "page.css": "p {}", "logo.svg": "<svg/>"}.items():
        (tmp_path / name).write_text(text)
    for name in ("pushaside.toml", ".env", "orders.py", "template.yaml"):
        (tmp_path / name).write_bytes(SECRET)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "index.html").write_bytes(SECRET)
    return tmp_path


@pytest.fixture
async def gateway(serve: Serve, functions: FakeFunctions, folder: Path) -> Gateway:
    functions.handlers["http"] = lambda event: "the HTTP API"
    return await serve(None, http_api(), own_routes=application_routes(folder))


async def test_the_page_is_served(gateway: Gateway) -> None:
    status, headers, body = await fetch(gateway, get("/app/"))
    assert (status, headers["content-type"], body) == (200, "text/html; charset=utf-8", b"<h1>Shop")


async def test_a_path_without_the_slash_leads_to_it(gateway: Gateway) -> None:
    status, headers, _ = await fetch(gateway, get("/app"))
    assert (status, headers["location"]) == (308, "/app/")


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("page.js", "text/javascript; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("logo.svg", "image/svg+xml"),
    ],
)
async def test_files_beside_the_page_have_their_content_type(
    gateway: Gateway, folder: Path, name: str, content_type: str
) -> None:
    status, headers, body = await fetch(gateway, get(f"/app/{name}"))
    assert (status, headers["content-type"], body) == (200, content_type, (folder / name).read_bytes())


@pytest.mark.parametrize("name", ["pushaside.js", "react.js"])
async def test_the_browser_client_is_beside_the_page(gateway: Gateway, name: str) -> None:
    assert (await fetch(gateway, get(f"/app/{name}")))[2] == (BROWSER_CLIENT / name).read_bytes()


async def test_an_edited_file_needs_no_restart(gateway: Gateway, folder: Path) -> None:
    (folder / "index.html").write_text("<h1>New")
    assert (await fetch(gateway, get("/app/")))[2] == b"<h1>New"


@pytest.mark.parametrize(
    "path",
    ["pushaside.toml", ".env", "orders.py", "template.yaml", "tests/index.html", "../app/pushaside.toml", "%2e%2e/x"],
)
async def test_nothing_else_is_served(gateway: Gateway, path: str) -> None:
    assert (await fetch(gateway, get(f"/app/{path}")))[2] == b"the HTTP API"


async def test_files_are_only_read(gateway: Gateway) -> None:
    assert (await fetch(gateway, post("/app/page.js", b"x")))[0] == 405


def test_an_application_without_a_page_has_no_routes(tmp_path: Path) -> None:
    (tmp_path / "page.js").write_text("draw()")
    assert application_routes(tmp_path) == {}


async def test_a_copy_of_the_client_takes_the_place_of_the_runtimes(serve: Serve, folder: Path) -> None:
    (folder / "pushaside.js").write_text("export {}")
    gateway = await serve(None, http_api(), own_routes=application_routes(folder))
    assert (await fetch(gateway, get("/app/pushaside.js")))[2] == b"export {}"
