"""The browser client in a page of the service's own origin, against the whole stack."""

from __future__ import annotations

import base64
import os
import re
import uuid

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import OpenPage
from tests.e2e.conftest import Stack
from tests.e2e.sources import Sources

pytestmark = pytest.mark.slow

MEMBERS = 60
LINKED_BYTES = 4_500_000
"""Random, so that not even as gzip they fit an answer of a function."""


@pytest.fixture
def blank(open_page: OpenPage, stack: Stack) -> Page:
    """A page with nothing on it but the client, whose WebSocket keeps what came as `window.seen`."""
    page = open_page(f"{stack.http}healthz", may_fail=True)  # it has no icon, which Chromium asks for
    page.evaluate(
        """async url => {
          window.seen = [];
          class Seen extends WebSocket {
            constructor(...given) {
              super(...given);
              this.addEventListener("message", ({ data }) => seen.push(JSON.parse(data)));
            }
          }
          window.pushaside = await import("/_local/page/pushaside.js");
          window.client = await pushaside.connect(url, { WebSocket: Seen });
        }""",
        stack.websocket,
    )
    return page


def test_a_page_is_answered(blank: Page) -> None:
    result = blank.evaluate('() => client.request("documents", { collection: "airports", ids: ["TX"] })')
    assert result["data"][0]["state"] == "TX"
    assert result["cache"] in {"hit", "stale", "miss"}


def test_results_come_decompressed(blank: Page) -> None:
    result, encodings = blank.evaluate(
        """async params => {
          const { data } = await client.request("synthetic", params);
          return [data, seen.filter(each => each.type === "result").map(each => each.encoding)];
        }""",
        {"size_bytes": 20_000, "seed": uuid.uuid4().hex},
    )
    assert encodings == ["gzip+base64"]
    assert len(str(result)) >= 20_000


def test_links_to_large_results_are_followed_to_another_origin_and_what_they_bring_is_checked(blank: Page) -> None:
    steps, is_hashed, is_elsewhere = blank.evaluate(
        """async params => {
          const steps = [];
          let hashed = 0;
          const { digest } = crypto.subtle;
          crypto.subtle.digest = (...given) => (hashed += 1, digest.apply(crypto.subtle, given));
          for await (const step of client.stream("synthetic", params, { deadline: 60 }))
            steps.push("stage" in step ? step.stage : JSON.stringify(step.data).length);
          const { url } = seen.find(each => each.type === "result");
          return [steps, hashed > 0, new URL(url).origin !== location.origin];
        }""",
        {"size_bytes": 2_000_000, "seed": uuid.uuid4().hex},
    )
    assert steps[0] == "sent"
    assert "fetching" in steps
    assert steps[-1] >= 2_000_000
    assert is_hashed
    assert is_elsewhere


def test_a_channel_brings_what_is_published_and_who_is_there(blank: Page) -> None:
    update, position, presence = blank.evaluate(
        """async () => {
          const news = client.subscribe("demo:page");
          const told = new Promise(resolve =>
            news.addEventListener("presence", ({ detail }) => resolve(detail), { once: true }));
          await news.ready();
          const position = await client.publish("demo:page", { text: "hello" });
          const { value } = await news.next();
          return [value, position, await told];
        }"""
    )
    assert update["data"] == {"text": "hello"}
    assert update["position"] == position
    assert presence["count"] == 1


def test_patches_are_applied_to_what_is_there(blank: Page, stack: Stack) -> None:
    sources, board = Sources(stack, stack.resources()), f"page-{uuid.uuid4().hex[:8]}"
    for member in range(MEMBERS):
        sources.put_score(board, f"member-{member}", member)
    blank.evaluate(
        """async board => {
          window.board = client.subscribe({ compute: "leaderboard", params: { board, top: 100 } }, { patches: true });
          await window.board.next();
        }""",
        board,
    )
    for score in (1000, 2000):
        sources.put_score(board, "member-3", score)
        blank.evaluate(
            """async score => {
              while (board.value[0].score !== score) await board.next();
            }""",
            score,
        )
    value, patches, asks = blank.evaluate(
        """() => [
          board.value,
          seen.filter(each => each.json_patch || each.merge_patch).length,
          seen.filter(each => each.type === "subscribed").length,
        ]"""
    )
    assert [each["score"] for each in value] == [2000, *[each for each in range(MEMBERS - 1, -1, -1) if each != 3]]
    assert patches >= 1
    assert asks == 1


def test_it_asks_by_http_as_well(blank: Page) -> None:
    cache, etag, again, ping = blank.evaluate(
        """async () => {
          const http = new pushaside.HttpClient(location.origin);
          const params = { collection: "airports", ids: ["NY"] };
          const { id } = await http.submit("documents", params);
          const { cache } = await http.wait(id);
          const known = await http.result("documents", params);
          const again = await http.result("documents", params, { known });
          return [cache, known.etag, again.data === known.data, await client.ping()];
        }"""
    )
    assert cache in {"hit", "stale", "miss"}
    assert etag
    assert again
    assert 0 < ping < 10


def test_a_resource_too_large_for_an_answer_is_had_by_its_link(blank: Page, stack: Stack) -> None:
    collection, filler = uuid.uuid4().hex, base64.b64encode(os.urandom(LINKED_BYTES)).decode()
    Sources(stack, stack.resources()).put_document(collection, "a", {"filler": filler})
    size, etag, again = blank.evaluate(
        """async params => {
          const http = new pushaside.HttpClient(location.origin);
          const known = await http.result("documents", params, { deadline: 60 });
          const again = await http.result("documents", params, { deadline: 60, known });
          return [known.data.filler.length, known.etag, again.data === known.data];
        }""",
        {"collection": collection, "query": "[0]"},
    )
    assert size == len(filler)
    assert re.fullmatch("[0-9a-f]{24}", etag), "only what came by a link is named by its own hash"
    assert again
