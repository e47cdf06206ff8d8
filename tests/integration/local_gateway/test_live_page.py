"""The live page's files, and the one thing of the runtime that is there for it alone."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import pytest
from botocore.exceptions import EndpointConnectionError

from local.gateway.server import Gateway
from local.page import PageAssets, Scoring
from local.page.assets import FILES
from local.page.scoring import MOST_POINTS, PATH
from tests.integration.local_gateway.fake_functions import FakeFunctions
from tests.integration.local_gateway.served_gateways import Serve, websocket_api
from tests.integration.local_gateway.test_http_api import fetch, get, http_api, post

JSON = "Content-Type: application/json"


class ScoresTable:
    """What Scoring needs of boto3's client, in memory."""

    def __init__(self) -> None:
        self.scores: dict[str, int] = {}
        self.is_lost = False

    def update_item(self, **request: Any) -> dict[str, Any]:
        if self.is_lost:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
        assert request["TableName"] == "scores"
        assert request["Key"]["board"] == {"S": "public/demo"}
        member = request["Key"]["member"]["S"]
        points = int(request["ExpressionAttributeValues"][":points"]["N"])
        self.scores[member] = self.scores.get(member, 0) + points
        return {"Attributes": {"score": {"N": str(self.scores[member])}}}


@pytest.fixture
def table() -> ScoresTable:
    return ScoresTable()


@pytest.fixture
async def gateway(serve: Serve, functions: FakeFunctions, table: ScoresTable) -> Gateway:
    functions.handlers["http"] = lambda event: "the HTTP API"
    routes = {**PageAssets("v1", demo=True).routes, PATH: Scoring(table, "scores").route}
    return await serve(websocket_api(), http_api(), own_routes=routes)


def score(body: object, *headers: str) -> bytes:
    return post(PATH, orjson.dumps(body), *(headers or (JSON,)))


class TestFiles:
    async def test_the_page_knows_the_stage_and_whether_there_are_demo_data(self, gateway: Gateway):
        status, headers, body = await fetch(gateway, get("/"))
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert b'data-stage="v1" data-demo="yes"' in body
        assert b"{{" not in body
        assert "frame-ancestors 'none'" in headers["content-security-policy"]

    async def test_the_page_knows_the_name_of_the_application(self, serve: Serve):
        gateway = await serve(None, http_api(), own_routes=PageAssets("v1", demo=False, application="shop").routes)
        body = (await fetch(gateway, get("/")))[2]
        assert b'data-application="shop"' in body
        assert b"<title>shop on one machine</title>" in body

    @pytest.mark.parametrize(
        ("name", "content_type"),
        [
            ("page.css", "text/css; charset=utf-8"),
            ("page.js", "text/javascript; charset=utf-8"),
            ("pushaside.js", "text/javascript; charset=utf-8"),
            ("icon.svg", "image/svg+xml"),
        ],
    )
    async def test_have_their_content_type(self, gateway: Gateway, name: str, content_type: str):
        status, headers, body = await fetch(gateway, get(f"/_local/page/{name}"))
        assert (status, headers["content-type"]) == (200, content_type)
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-cache", "nosniff")
        assert body == FILES[name][0].read_bytes()

    async def test_are_not_sent_again_to_who_has_them(self, gateway: Gateway):
        _, headers, _ = await fetch(gateway, get("/_local/page/page.css"))
        status, again, body = await fetch(gateway, get("/_local/page/page.css", f"If-None-Match: {headers['etag']}"))
        assert (status, again["etag"], body) == (304, headers["etag"], b"")
        status, _, body = await fetch(gateway, get("/_local/page/page.css", 'If-None-Match: "another"'))
        assert status == 200
        assert body

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "..%2fassets.py",
            "../assets.py",
            "assets.py",
            "__init__.py",
            "package.json",
            "node_modules/uplot/README.md",
        ],
    )
    async def test_nothing_else_is_served(self, gateway: Gateway, path: str):
        assert (await fetch(gateway, get(f"/_local/page/{path}")))[2] == b"the HTTP API"

    async def test_are_only_read(self, gateway: Gateway):
        assert (await fetch(gateway, post("/_local/page/page.css", b"x")))[0] == 405

    async def test_one_that_is_not_installed_is_not_found(
        self, gateway: Gateway, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ):
        monkeypatch.setattr("local.page.assets.FILES", {"uPlot.esm.js": (tmp_path / "uPlot.esm.js", "text/javascript")})
        without = await serve(None, http_api(), own_routes=PageAssets("v1", demo=False).routes)
        assert (await fetch(without, get("/_local/page/uPlot.esm.js")))[0] == 404
        assert b'data-demo="no" data-charts="no"' in (await fetch(without, get("/")))[2]

    async def test_all_that_the_page_names_are_served(self, gateway: Gateway):
        _, _, html = await fetch(gateway, get("/"))
        named = set(re.findall(r'(?:href|src)="/_local/page/([^"]+)"', html.decode()))
        for name, (path, _) in FILES.items():
            if name.endswith(".js") and path.is_file() and name not in {"uPlot.esm.js", "pushaside.js"}:
                named |= set(re.findall(r'(?:from|import\()\s*"\./([^"]+)"', path.read_text()))
        assert named <= set(FILES)
        assert {name for name in FILES if not name.startswith("uPlot")} <= named

    def test_uplot_is_locked_without_saying_where_from(self):
        lock = json.loads((FILES["page.css"][0].with_name("package-lock.json")).read_text())
        assert all("resolved" not in each for each in lock["packages"].values())
        assert lock["packages"]["node_modules/uplot"]["integrity"].startswith("sha512-")


class TestScore:
    async def test_is_added_to_the_members_row_and_answered(self, gateway: Gateway, table: ScoresTable):
        await fetch(gateway, score({"member": "TX", "points": 5}))
        status, headers, body = await fetch(gateway, score({"member": " TX ", "points": -2}))
        assert (status, headers["cache-control"]) == (200, "no-store")
        assert orjson.loads(body) == {"member": "TX", "score": 3}
        assert table.scores == {"TX": 3}

    @pytest.mark.parametrize(
        "body",
        [
            {"member": "", "points": 1},
            {"member": " ", "points": 1},
            {"member": "a" * 65, "points": 1},
            {"member": "TX", "points": 0},
            {"member": "TX", "points": MOST_POINTS + 1},
            {"member": "TX", "points": 1.5},
            {"member": "TX"},
            {"member": "TX", "points": 1, "board": "another"},
            [],
        ],
    )
    async def test_that_makes_no_sense_is_refused_with_a_sentence(
        self, gateway: Gateway, table: ScoresTable, body: object
    ):
        status, _, answer = await fetch(gateway, score(body))
        assert status == 400
        assert orjson.loads(answer)["message"]
        assert table.scores == {}

    async def test_other_sites_can_send_none(self, gateway: Gateway, table: ScoresTable):
        """A form of another site can post anything but JSON unasked."""
        status, _, _ = await fetch(gateway, score({"member": "TX", "points": 5}, "Content-Type: text/plain"))
        assert status == 415
        assert (await fetch(gateway, get(PATH)))[0] == 405
        assert table.scores == {}

    async def test_that_cannot_be_written_is_said_to_be_so(self, gateway: Gateway, table: ScoresTable):
        table.is_lost = True
        status, _, answer = await fetch(gateway, score({"member": "TX", "points": 5}))
        assert status == 503
        assert "could not be written" in orjson.loads(answer)["message"]
