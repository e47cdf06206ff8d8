"""The pages of three examples, as `pushaside local` serves them: chat, dashboard and weather."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from types import ModuleType

import pytest
from playwright.sync_api import Page, expect

from push.testing import LocalApplication
from push.testing.local_applications import run_locally
from tests.browser.conftest import OpenPage, TakeScreenshot
from tests.e2e.conftest import ROOT

pytestmark = pytest.mark.slow

PATIENCE_MS = 20_000
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApplication]:
    with run_locally(EXAMPLES / "chat", tmp_path_factory.mktemp("chat"), "--auth", "jwt") as running:
        yield running


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApplication]:
    with run_locally(EXAMPLES / "dashboard", tmp_path_factory.mktemp("dashboard")) as running:
        yield running


@pytest.fixture(scope="module")
def weather(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApplication]:
    """The application, which calls a stand-in for the weather API."""
    with load_stand_in().running() as api:
        urls = (f"--parameter=ForecastsUrl={api.forecasts}", f"--parameter=PlacesUrl={api.places}")
        with run_locally(EXAMPLES / "weather", tmp_path_factory.mktemp("weather"), *urls) as running:
            yield running


def fill_in(page: Page, name: str, token: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Join").click()


def join(open_page: OpenPage, chat: LocalApplication, principal: str) -> Page:
    page = open_page(f"{chat.http}app/", viewport={"width": 900, "height": 500})
    fill_in(page, principal.title(), chat.token(principal))
    expect(page.get_by_role("heading", name="Garden")).to_be_visible(timeout=PATIENCE_MS)
    return page


def say(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send").click()


def test_two_people_talk_and_see_each_other(
    chat: LocalApplication, open_page: OpenPage, take_screenshot: TakeScreenshot
) -> None:
    ada = join(open_page, chat, "ada")
    say(ada, "The tomatoes are ripe.")
    expect(ada.locator("#messages")).to_contain_text("Ada The tomatoes are ripe.", timeout=PATIENCE_MS)
    ben = join(open_page, chat, "ben")
    expect(ben.locator("#messages")).to_contain_text("Ada The tomatoes are ripe.", timeout=PATIENCE_MS)
    say(ben, "On my way!")
    expect(ada.locator("#messages li")).to_have_count(2, timeout=PATIENCE_MS)
    for page in (ada, ben):
        expect(page.locator("#here li")).to_have_text(["ada", "ben"], timeout=PATIENCE_MS)
    take_screenshot(ben, "chat-ben")

    ben.get_by_role("button", name="Kitchen").click()
    expect(ben.locator("#messages li")).to_have_count(0)
    expect(ada.locator("#here li")).to_have_text(["ada"], timeout=PATIENCE_MS)
    ben.get_by_role("button", name="Garden").click()
    expect(ben.locator("#messages li")).to_have_count(2, timeout=PATIENCE_MS)


def test_an_invalid_token_is_refused_on_the_form(chat: LocalApplication, open_page: OpenPage) -> None:
    page = open_page(f"{chat.http}app/", may_fail=True)
    fill_in(page, "Eve", "no.valid.token")
    expect(page.get_by_role("alert")).not_to_be_empty(timeout=PATIENCE_MS)
    expect(page.locator("#join")).to_be_visible()


def test_the_dashboard_shows_twenty_live_widgets(
    dashboard: LocalApplication, open_page: OpenPage, take_screenshot: TakeScreenshot
) -> None:
    page = open_page(f"{dashboard.http}app/", viewport={"width": 1200, "height": 820})
    expect(page.get_by_text("live · 20 of 20 widgets")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#revenue_today .number")).to_have_text("6,328 €")
    expect(page.locator("#to_reorder .number")).to_have_text("desk, rug")
    take_screenshot(page, "dashboard")


def test_the_weather_page_shows_the_origin_of_each_answer(
    weather: LocalApplication, open_page: OpenPage, take_screenshot: TakeScreenshot
) -> None:
    page = open_page(f"{weather.http}app/", viewport={"width": 700, "height": 560})
    expect(page.locator("#celsius")).to_have_text("4.5 °C", timeout=PATIENCE_MS)
    expect(page.locator("#origin-of-current")).to_contain_text("miss")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#origin-of-current")).to_contain_text("hit", timeout=PATIENCE_MS)
    expect(page.locator("#days tr")).to_have_count(3)
    take_screenshot(page, "weather")
    page.get_by_label("Place").fill("Atlantis")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_have_text("No place is named Atlantis.", timeout=PATIENCE_MS)


def load_stand_in() -> ModuleType:
    """Load the stand-in for the weather API from the example's own tests."""
    spec = importlib.util.spec_from_file_location("weather_stand_in", EXAMPLES / "weather/tests/stand_in.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
