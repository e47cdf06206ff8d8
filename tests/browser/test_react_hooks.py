"""The React hooks, with a real React in Chromium and a scripted service that counts what it is asked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.react_pages import evaluate, open_react
from tests.browser.scripted_sockets import ScriptedService

pytestmark = pytest.mark.slow

ORIGIN = "http://localhost:9"
"""Of the machine itself, so that the page may hash. Nothing listens there: Playwright answers."""

COMPONENTS = """
  window.renders = {};
  window.shown = {};
  const show = (name, state) => {
    (renders[name] ??= []).push(state.status);
    shown[name] = state;
    const text = { status: state.status, data: state.data, error: state.error?.code, stale: state.isStale,
      texts: state.messages?.map(each => each.data), refreshing: state.isRefreshing };
    return h("output", { id: name }, JSON.stringify(text));
  };
  window.Result = ({ name, compute = "orders", params, ...options }) => show(name, useResult(compute, params, options));
  window.Topic = ({ name, topic = "chat:lobby", ...options }) => show(name, useTopic(topic, options));
  window.Client = () => h("output", { id: "client" }, JSON.stringify([useConnectionState(), useClient().state]));
  window.Provider = (props) => h(PushasideProvider,
    { url: one, unsubscribeAfterSeconds: 0.6, options: { backoffBaseSeconds: 0.05 }, ...props });
  document.body.replaceChildren(window.element = document.createElement("main"));
  window.root = createRoot(element);
  window.roots = [root];
  window.show = (...children) => root.render(h(Provider, {}, ...children));
"""


@pytest.fixture(scope="module")
def react(chromium: Browser) -> Iterator[Page]:
    """A page with React and the hooks. To load it takes longer than a test, so the tests share it."""
    page = chromium.new_page()
    ScriptedService(page, "ws://nowhere.test")  # sockets of a page are only taken over if it was opened afterwards
    open_react(page, ORIGIN)
    yield page
    page.close()


@pytest.fixture
def page(react: Page) -> Iterator[Page]:
    """The page without anything on it. It may report no error and no warning."""
    said: list[str] = []

    def note_line(line: ConsoleMessage) -> None:
        if line.type in {"error", "warning"}:
            said.append(line.text)

    def note_error(error: Error) -> None:
        said.append(f"not caught: {error}")

    react.on("console", note_line)
    react.on("pageerror", note_error)
    yield react
    evaluate(react, "for (const each of roots) each.unmount()")
    react.remove_listener("console", note_line)
    react.remove_listener("pageerror", note_error)
    assert said == []


@pytest.fixture
def service(page: Page) -> ScriptedService:
    """The service, at a URL of its own, and in the page a component for each hook that shows what it returns."""
    return begin(page)


def begin(page: Page) -> ScriptedService:
    service = ScriptedService(page, f"ws://{uuid.uuid4().hex}.test/v1")
    evaluate(page, COMPONENTS, service.url)
    return service


def shows(page: Page, name: str, **fields: Any) -> None:
    """Wait until a component shows all of the fields."""
    page.wait_for_function(
        """([name, fields]) => {
          const text = document.getElementById(name)?.textContent;
          return text && Object.entries(fields).every(
            ([field, value]) => JSON.stringify(JSON.parse(text)[field] ?? null) === JSON.stringify(value));
        }""",
        arg=[name, fields],
        timeout=10_000,
    )


def read(page: Page, name: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(page.locator(f"#{name}").inner_text())
    return state


class TestResults:
    def test_a_component_shows_loading_then_data_then_each_update(self, page: Page, service: ScriptedService) -> None:
        evaluate(page, 'show(h(Result, { name: "a", params: { customer: "ada" } }))')
        shows(page, "a", status="loading", stale=False)
        service.wait_for("subscribe")
        service.update("orders", {"customer": "ada"}, data=[1], etag="1")
        shows(page, "a", status="ready", data=[1], error=None, stale=False)
        service.update("orders", {"customer": "ada"}, data=[1, 2], etag="2")
        shows(page, "a", status="ready", data=[1, 2])

    def test_a_cached_result_comes_with_the_subscription(self, page: Page, service: ScriptedService) -> None:
        service.values["orders"] = {"data": None, "etag": "1"}
        evaluate(page, 'show(h(Result, { name: "a" }))')
        shows(page, "a", status="ready", data=None)
        assert evaluate(page, "return shown.a.data === null")
        assert evaluate(page, "return shown.a.ageMs >= 0 && shown.a.ageMs < 10000")

    def test_equal_params_share_one_subscription_whatever_their_order(
        self, page: Page, service: ScriptedService
    ) -> None:
        service.values["orders"] = {"data": 7, "etag": "1"}
        evaluate(
            page,
            """show(
              h(Result, { name: "a", params: { customer: "ada", page: { size: 2, at: 1 } } }),
              h(Result, { name: "b", params: { page: { at: 1, size: 2 }, customer: "ada", none: undefined } }),
              h(Result, { name: "c", params: { customer: "ben" } }))""",
        )
        for name in "abc":
            shows(page, name, data=7)
        assert service.count("subscribe") == 2
        assert len(service.sockets) == 1
        assert evaluate(page, "return shown.a.data === shown.b.data")

    def test_strict_mode_makes_one_connection_and_one_subscription(self, page: Page, service: ScriptedService) -> None:
        service.values["orders"] = {"data": 7, "etag": "1"}
        evaluate(page, 'root.render(h(React.StrictMode, {}, h(Provider, {}, h(Result, { name: "a" }), h(Client))))')
        shows(page, "a", data=7)
        expect(page.locator("#client")).to_have_text('["open","open"]')
        page.wait_for_timeout(900)
        assert len(service.sockets) == 1
        assert (service.count("subscribe"), service.count("unsubscribe")) == (1, 0)

    def test_a_component_that_comes_back_soon_finds_its_subscription(
        self, page: Page, service: ScriptedService
    ) -> None:
        service.values["orders"] = {"data": 7, "etag": "1"}
        evaluate(page, 'show(h(Result, { name: "a" }))')
        shows(page, "a", data=7)
        was_gone = evaluate(
            page,
            """show();
            await new Promise(resolve => setTimeout(resolve, 50));
            const wasGone = !document.getElementById("a");
            renders.a = [];
            show(h(Result, { name: "a" }));
            return wasGone;""",
        )
        assert was_gone
        shows(page, "a", data=7)
        page.wait_for_timeout(900)
        assert evaluate(page, "return renders.a.every(each => each === 'ready')")
        assert (service.count("subscribe"), service.count("unsubscribe")) == (1, 0)

    def test_the_subscription_ends_some_time_after_its_last_component(
        self, page: Page, service: ScriptedService
    ) -> None:
        service.values["orders"] = {"data": 7, "etag": "1"}
        evaluate(page, 'show(h(Result, { name: "a" }), h(Result, { name: "b" }))')
        shows(page, "b", data=7)
        evaluate(page, 'show(h(Result, { name: "a" }))')
        page.wait_for_timeout(900)
        assert service.count("unsubscribe") == 0
        evaluate(page, "show()")
        service.wait_for("unsubscribe")
        service.values["orders"] = {"data": 8, "etag": "2"}
        evaluate(page, 'renders.b = []; show(h(Result, { name: "b" }))')
        shows(page, "b", data=8)
        assert evaluate(page, "return renders.b[0]") == "loading"
        assert service.count("subscribe") == 2

    def test_an_error_is_shown_and_the_next_value_replaces_it(self, page: Page, service: ScriptedService) -> None:
        service.values["orders"] = {"error": {"code": "compute_failed", "message": "No.", "retryable": False}}
        evaluate(page, 'show(h(Result, { name: "a" }))')
        shows(page, "a", status="error", data=None, error="compute_failed")
        service.update("orders", {}, data=[1], etag="1")
        shows(page, "a", status="ready", data=[1], error=None, stale=False)
        service.update("orders", {}, error={"code": "timeout", "message": "Late.", "retryable": True})
        shows(page, "a", status="error", data=[1], error="timeout", stale=True)
        service.update("orders", {}, data=[1], etag="1")
        shows(page, "a", status="ready", data=[1], error=None, stale=False)
        assert service.count("subscribe") == 1

    def test_a_refusal_that_may_pass_is_retried(self, page: Page, service: ScriptedService) -> None:
        refusal = {"code": "rate_limited", "message": "Slow down.", "retryable": True}
        service.values["orders"] = {"refuse": refusal}
        evaluate(page, 'show(h(Result, { name: "a" }))')
        shows(page, "a", status="error", error="rate_limited")
        service.values["orders"] = {"data": 7, "etag": "1"}
        shows(page, "a", status="ready", data=7, error=None)
        assert service.count("subscribe") == 2

    def test_a_refusal_stays_until_somebody_refreshes(self, page: Page, service: ScriptedService) -> None:
        service.values["orders"] = {"refuse": {"code": "forbidden", "message": "Not yours.", "retryable": False}}
        evaluate(page, 'show(h(Result, { name: "a" }))')
        shows(page, "a", status="error", error="forbidden")
        page.wait_for_timeout(900)
        assert service.count("subscribe") == 1
        service.values["orders"] = {"data": 7, "etag": "1"}
        evaluate(page, "await shown.a.refresh()")
        shows(page, "a", status="ready", data=7, error=None)

    def test_refresh_computes_now_and_shows_the_new_value(self, page: Page, service: ScriptedService) -> None:
        service.values["orders"] = {"data": 1, "etag": "1"}
        evaluate(page, 'show(h(Result, { name: "a" }))')
        shows(page, "a", data=1)
        service.values["orders"] = {"data": 2, "etag": "2"}
        evaluate(page, "await Promise.all([shown.a.refresh(), shown.a.refresh()])")
        shows(page, "a", data=2, refreshing=False, stale=False)
        assert [each["max_age"] for each in service.asked("request")] == [0]
        assert 2000 <= evaluate(page, "return shown.a.ageMs") < 12_000
        service.update("orders", {}, data=3, etag="3")
        shows(page, "a", data=3)
        assert service.count("unsubscribe") == 0

    def test_a_refresh_that_fails_keeps_the_data(self, page: Page, service: ScriptedService) -> None:
        service.values["orders"] = {"data": 1, "etag": "1"}
        evaluate(page, 'show(h(Result, { name: "a" }))')
        shows(page, "a", data=1)
        service.values["orders"] = {"error": {"code": "compute_failed", "message": "No.", "retryable": False}}
        evaluate(page, "await shown.a.refresh()")
        shows(page, "a", status="error", data=1, error="compute_failed", refreshing=False)

    def test_other_params_show_no_data_of_the_params_before(self, page: Page, service: ScriptedService) -> None:
        service.values["orders"] = {"data": "ada's", "etag": "1"}
        evaluate(page, 'show(h(Result, { name: "a", params: { customer: "ada" } }))')
        shows(page, "a", data="ada's")
        service.values["orders"] = {}
        evaluate(page, 'show(h(Result, { name: "a", params: { customer: "ben" } }))')
        shows(page, "a", status="loading", data=None)
        service.wait_for("subscribe", 2)
        service.update("orders", {"customer": "ben"}, data="ben's", etag="2")
        shows(page, "a", status="ready", data="ben's")

    def test_a_hook_that_is_not_enabled_asks_nothing(self, page: Page, service: ScriptedService) -> None:
        service.values["orders"] = {"data": 7, "etag": "1"}
        evaluate(page, 'show(h(Result, { name: "a", enabled: false }), h(Topic, { name: "t", enabled: false }))')
        shows(page, "a", status="idle", data=None)
        shows(page, "t", status="idle", texts=[])
        evaluate(page, "await shown.a.refresh()")
        service.wait_for("hello")
        assert service.count("subscribe") + service.count("request") == 0
        evaluate(page, 'show(h(Result, { name: "a" }))')
        shows(page, "a", status="ready", data=7)

    def test_a_result_that_is_not_live_is_requested_once(self, page: Page, service: ScriptedService) -> None:
        service.values["orders"] = {"data": 1, "etag": "1", "cache": "stale"}
        evaluate(page, 'show(h(Result, { name: "a", live: false, maxAge: 30 }))')
        shows(page, "a", status="ready", data=1, stale=True)
        service.values["orders"] = {"data": 2, "etag": "2"}
        evaluate(page, "await shown.a.refresh()")
        shows(page, "a", data=2, stale=False, refreshing=False)
        assert [each["max_age"] for each in service.asked("request")] == [30, 0]
        assert service.count("subscribe") == 0

    def test_initial_data_is_shown_until_the_first_result(self, page: Page, service: ScriptedService) -> None:
        evaluate(page, 'show(h(Result, { name: "a", initialData: [0] }))')
        shows(page, "a", status="ready", data=[0], stale=True)
        assert evaluate(page, "return shown.a.ageMs") is None
        service.wait_for("subscribe")
        service.update("orders", {}, data=[1], etag="1")
        shows(page, "a", status="ready", data=[1], stale=False)

    def test_a_component_is_not_rendered_again_without_a_change(self, page: Page, service: ScriptedService) -> None:
        service.values["orders"] = {"data": 7, "etag": "1"}
        evaluate(page, 'show(h(Result, { name: "a" }))')
        shows(page, "a", data=7)
        before = evaluate(page, "return renders.a.length")
        service.update("orders", {}, data=7, etag="1")
        page.wait_for_timeout(200)
        assert evaluate(page, "return renders.a.length") == before <= 4


class TestConnections:
    def test_data_stays_and_is_stale_while_the_connection_is_lost(self, page: Page, service: ScriptedService) -> None:
        service.values["orders"] = {"data": 1, "etag": "1"}
        evaluate(page, 'show(h(Result, { name: "a" }), h(Topic, { name: "t" }), h(Client))')
        shows(page, "a", data=1, stale=False)
        shows(page, "t", status="ready", stale=False)
        service.is_up = False
        service.cut()
        shows(page, "a", status="ready", data=1, stale=True)
        shows(page, "t", stale=True)
        expect(page.locator("#client")).to_have_text('["reconnecting","reconnecting"]')
        service.values["orders"] = {"data": 2, "etag": "2"}
        service.is_up = True
        shows(page, "a", status="ready", data=2, stale=False)
        shows(page, "t", status="ready", stale=False)
        assert service.count("subscribe") == 4

    def test_a_page_that_opens_without_the_service_gets_its_data_later(self, open_page: OpenPage) -> None:
        page = open_page("about:blank")
        ScriptedService(page, "ws://nowhere.test")
        open_react(page, ORIGIN)
        service = begin(page)
        service.is_up = False
        service.values["orders"] = {"data": 1, "etag": "1"}
        page.clock.install()
        evaluate(page, 'show(h(Result, { name: "a" }))')
        shows(page, "a", status="loading")
        page.clock.fast_forward(10_000)
        shows(page, "a", status="error", error="unreachable")
        service.is_up = True
        page.evaluate('dispatchEvent(new Event("online"))')
        shows(page, "a", status="ready", data=1, error=None)

    def test_a_client_that_may_not_connect_says_so_and_a_refresh_tries_again(
        self, page: Page, service: ScriptedService
    ) -> None:
        service.values["orders"] = {"data": 1, "etag": "1"}
        evaluate(
            page,
            """window.isSignedIn = false;
            const token = () => {
              if (!isSignedIn) throw new pushaside.PushasideError("unauthorized", "Sign in.");
              return "t";
            };
            root.render(h(Provider, { token }, h(Result, { name: "a" }), h(Result, { name: "b", compute: "orders",
              params: { page: 2 } }), h(Client)))""",
        )
        shows(page, "a", status="error", error="unauthorized")
        expect(page.locator("#client")).to_have_text('["closed","closed"]')
        evaluate(page, "isSignedIn = true; await shown.a.refresh()")
        shows(page, "a", status="ready", data=1, error=None)
        shows(page, "b", status="ready", data=1, error=None)
        expect(page.locator("#client")).to_have_text('["open","open"]')

    def test_the_newest_functions_of_the_provider_are_called(self, page: Page, service: ScriptedService) -> None:
        evaluate(
            page,
            """window.called = [];
            window.at = (count) => root.render(h(Provider, {
              url: () => (called.push(`url ${count}`), one), token: () => { called.push(`token ${count}`); },
            }, h(Client)));
            at(1);""",
            service.url,
        )
        expect(page.locator("#client")).to_have_text('["open","open"]')
        evaluate(page, "at(2)")
        page.wait_for_timeout(100)
        service.cut()
        service.wait_for("hello", 2)
        assert evaluate(page, "return called") == ["url 1", "token 1", "url 2", "token 2"]

    def test_another_token_makes_another_client_and_shows_nothing_of_the_first(
        self, page: Page, service: ScriptedService
    ) -> None:
        service.values["orders"] = {"data": "ada's", "etag": "1"}
        evaluate(
            page, 'window.as = (token) => root.render(h(Provider, { token }, h(Result, { name: "a" }))); as("ada")'
        )
        shows(page, "a", data="ada's")
        service.values["orders"] = {}
        evaluate(page, 'renders.a = []; as("ben")')
        shows(page, "a", status="loading", data=None)
        service.wait_for("subscribe", 2)
        assert evaluate(page, "return renders.a.every(each => each === 'loading')")
        assert len(service.sockets) == 2

    def test_a_provider_closes_its_own_client_and_not_a_given_one(self, page: Page, service: ScriptedService) -> None:
        evaluate(
            page,
            """window.given = await pushaside.connect(one);
            const Keep = ({ as }) => { window[as] = useClient(); return null; };
            root.render([
              h(Provider, { key: 1, unsubscribeAfterSeconds: 0.1 }, h(Keep, { as: "made" })),
              h(PushasideProvider, { key: 2, client: given, unsubscribeAfterSeconds: 0.1 }, h(Keep, { as: "same" })),
            ]);""",
            service.url,
        )
        page.wait_for_function('() => window.made?.state === "open"')
        assert evaluate(page, "return same === given")
        evaluate(page, "root.render(null)")
        page.wait_for_function("() => made.isClosed")
        assert not evaluate(page, "return given.isClosed")

    def test_a_hook_outside_of_a_provider_says_what_is_missing(self, page: Page, service: ScriptedService) -> None:
        sentence = evaluate(
            page, "try { renderToString(h(Result, {})) } catch (error) { return error.message }; return null"
        )
        assert sentence == "Render this component inside a <PushasideProvider>."

    def test_a_page_rendered_on_a_server_connects_nowhere_and_fits_the_page_in_the_browser(
        self, page: Page, service: ScriptedService
    ) -> None:
        service.values["orders"] = {"data": 7, "etag": "1"}
        page_on_server = evaluate(
            page,
            """window.element = document.body.appendChild(document.createElement("main"));
            window.tree = () => h(Provider, {}, h(Result, { name: "a" }),
              h(Result, { name: "b", params: { page: 2 }, initialData: 5 }), h(Topic, { name: "t" }), h(Client));
            return element.innerHTML = renderToString(tree());""",
        )
        assert "loading" in page_on_server
        page.wait_for_timeout(100)
        assert service.sockets == []
        evaluate(page, "roots.push(hydrateRoot(element, tree()))")
        for name in "ab":
            shows(page, name, status="ready", data=7, stale=False)


class TestTopics:
    def test_a_component_shows_the_latest_messages(self, page: Page, service: ScriptedService) -> None:
        evaluate(page, 'show(h(Topic, { name: "t" }), h(Topic, { name: "last", limit: 2 }))')
        shows(page, "t", status="ready", texts=[])
        for text in ("a", "b", "c"):
            service.message("chat:lobby", text)
        shows(page, "t", texts=["a", "b", "c"])
        shows(page, "last", texts=["b", "c"])
        assert evaluate(page, "return shown.t.latest.data") == "c"
        assert service.count("subscribe") == 1

    def test_a_resync_replaces_the_messages(self, page: Page, service: ScriptedService) -> None:
        evaluate(page, 'show(h(Topic, { name: "t" }))')
        shows(page, "t", status="ready")
        service.message("chat:lobby", "a")
        shows(page, "t", texts=["a"])
        service.offset += 10
        service.message("chat:lobby", "m", kind="resync")
        shows(page, "t", texts=["m"])
        service.offset += 10
        service.message("chat:lobby", None, kind="resync")
        shows(page, "t", texts=[])

    def test_a_component_publishes(self, page: Page, service: ScriptedService) -> None:
        evaluate(page, 'show(h(Topic, { name: "t" }))')
        assert evaluate(page, 'return shown.t.publish({ text: "hello" })') == "e1:7"
        assert service.asked("publish")[0]["data"] == {"text": "hello"}

    def test_a_component_sees_who_joins(self, page: Page, service: ScriptedService) -> None:
        evaluate(page, 'show(h(Topic, { name: "t" }))')
        shows(page, "t", status="ready")
        assert evaluate(page, "return shown.t.presence") is None
        service.say({"type": "presence", "topic": "chat:lobby", "count": 2, "joined": ["ada"], "left": []})
        page.wait_for_function("() => shown.t.presence?.count === 2")
        assert evaluate(page, "return shown.t.presence.joined") == ["ada"]

    def test_a_subscription_continues_from_a_position(self, page: Page, service: ScriptedService) -> None:
        service.offset = 3
        evaluate(page, 'show(h(Topic, { name: "t", since: "e1:3" }))')
        service.wait_for("subscribe")
        assert service.asked("subscribe")[0]["since"] == "e1:3"

    def test_a_refusal_is_an_error_and_can_be_retried(self, page: Page, service: ScriptedService) -> None:
        service.values["chat:lobby"] = {"refuse": {"code": "forbidden", "message": "Not yours.", "retryable": False}}
        evaluate(page, 'show(h(Topic, { name: "t" }))')
        shows(page, "t", status="error", error="forbidden")
        service.values.clear()
        evaluate(page, "await shown.t.retry()")
        shows(page, "t", status="ready", error=None)
