"""The React hooks in a page, against the whole stack."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.react_pages import FOLDER, evaluate, open_react
from tests.e2e.conftest import ROOT, Stack
from tests.e2e.sources import Sources

pytestmark = pytest.mark.slow

PATIENCE_MS = 20_000
COMPONENTS = """
  window.sockets = [];
  class Kept extends WebSocket {
    constructor(...given) {
      super(...given);
      sockets.push(this);
    }
  }
  window.Board = ({ id, board }) => {
    const { status, data, isStale, refresh } = useResult("leaderboard", { board, top: 3 });
    window.refresh = refresh;
    const text = status === "ready" ? data.map(({ member, score }) => `${member} ${score}`).join(", ") : status;
    return h("output", { id, className: isStale ? "stale" : "" }, text);
  };
  window.Chat = ({ id, topic }) => {
    const { status, messages, presence, publish } = useTopic(topic);
    window.publish = publish;
    return h("output", { id }, JSON.stringify([status, presence?.count ?? 0, messages.map(({ data }) => data)]));
  };
  window.show = (...children) => createRoot(element).render(
    h(React.StrictMode, {}, h(PushasideProvider, { url: one, options: { WebSocket: Kept } }, ...children)));
"""


@pytest.fixture
def page(open_page: OpenPage, stack: Stack) -> Page:
    page = open_page("about:blank")
    open_react(page, stack.http, beside=f"{stack.http}healthz")
    evaluate(page, COMPONENTS, stack.websocket)
    return page


def test_a_board_is_shown_and_follows_its_table_through_a_lost_connection(page: Page, stack: Stack) -> None:
    sources, board = Sources(stack, stack.resources()), f"react-{uuid.uuid4().hex[:8]}"
    sources.put_score(board, "ada", 10)
    evaluate(page, 'show(h(Board, { id: "one", board: one }), h(Board, { id: "two", board: one }))', board)
    for each in ("#one", "#two"):
        expect(page.locator(each)).to_have_text("ada 10", timeout=PATIENCE_MS)
    sources.put_score(board, "ben", 20)
    expect(page.locator("#one")).to_have_text("ben 20, ada 10", timeout=PATIENCE_MS)

    evaluate(page, "sockets[0].close()")
    expect(page.locator("#one")).to_have_class("stale", timeout=PATIENCE_MS)
    expect(page.locator("#one")).to_have_text("ben 20, ada 10")
    sources.put_score(board, "ada", 30)
    expect(page.locator("#one")).to_have_text("ada 30, ben 20", timeout=PATIENCE_MS)
    expect(page.locator("#two")).to_have_text("ada 30, ben 20")
    expect(page.locator("#one")).to_have_class("", timeout=PATIENCE_MS)
    assert evaluate(page, "return sockets.length") == 2


def test_a_refresh_is_computed_and_leaves_the_subscription(page: Page, stack: Stack) -> None:
    sources, board = Sources(stack, stack.resources()), f"react-{uuid.uuid4().hex[:8]}"
    sources.put_score(board, "ada", 10)
    evaluate(page, 'show(h(Board, { id: "one", board: one }))', board)
    expect(page.locator("#one")).to_have_text("ada 10", timeout=PATIENCE_MS)
    computed = count_computes(stack)
    evaluate(page, "await refresh()")
    for _ in range(80):
        if count_computes(stack) > computed:
            break
        page.wait_for_timeout(250)
    assert count_computes(stack) > computed
    expect(page.locator("#one")).to_have_text("ada 10")
    sources.put_score(board, "ben", 20)
    expect(page.locator("#one")).to_have_text("ben 20, ada 10", timeout=PATIENCE_MS)


def test_the_page_of_the_documentation_runs_without_a_build_step(page: Page, stack: Stack) -> None:
    found = re.search(r"```html\n(.*?)```", (ROOT / "docs/react.md").read_text(), re.DOTALL)
    assert found
    text = found[1]
    for said, here in (
        ("https://esm.sh/react@19", f"/{FOLDER}/react.mjs"),
        ("https://esm.sh/react-dom@19/client", f"/{FOLDER}/react_dom.mjs"),
        ("./react.js", f"/{FOLDER}/react.js"),
        ("ws://127.0.0.1:8080/v1", stack.websocket),
    ):
        assert f'"{said}"' in text
        text = text.replace(f'"{said}"', f'"{here}"')
    page.goto(f"{stack.http}healthz")
    page.set_content(f"<!doctype html><body>{text}")
    expect(page.get_by_text("209 airports")).to_be_visible(timeout=PATIENCE_MS)


def count_computes(stack: Stack) -> int:
    """Count the computes of boards, as the functions' metrics say a little later."""
    count: int = stack.stats()["computes"]["leaderboard"]
    return count


def test_two_components_of_a_channel_are_one_subscriber(page: Page, stack: Stack) -> None:
    topic = f"demo:react-{uuid.uuid4().hex[:8]}"
    evaluate(page, 'show(h(Chat, { id: "one", topic: one }), h(Chat, { id: "two", topic: one }))', topic)
    expect(page.locator("#one")).to_have_text(json.dumps(["ready", 1, []], separators=(",", ":")), timeout=PATIENCE_MS)
    asked = evaluate(page, "return (await fetch(`/topics/${encodeURIComponent(one)}`)).json()", topic)
    assert asked["subscribers"] == 1
    evaluate(page, 'await publish("hello")')
    for each in ("#one", "#two"):
        expect(page.locator(each)).to_have_text('["ready",1,["hello"]]', timeout=PATIENCE_MS)
