"""The live page as somebody uses it."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenPage, TakeScreenshot
from tests.e2e.conftest import Stack

pytestmark = pytest.mark.slow

expect.set_options(timeout=20_000)

PHONE = {"viewport": {"width": 360, "height": 780}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}


def pick(page: Page, state: str) -> None:
    """Pick a state and wait for its airports."""
    page.get_by_label("State", exact=True).select_option(state)
    expect(page.locator("#answer-said")).to_contain_text(f"{state}:")


def ask_again(page: Page) -> None:
    """Ask once more and wait for the answer."""
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator("#airports")).not_to_have_attribute("aria-busy", "true")


def overflow(page: Page) -> int:
    """How many pixels the page is wider than the window."""
    width: int = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


def painted(page: Page, chart: str) -> int:
    """How many pixels of a chart's canvas have a colour that is not grey."""
    count: int = page.locator(f"{chart} canvas").evaluate(
        """canvas => {
          const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 0, 0);
          const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
          let count = 0;
          for (let at = 0; at < data.length; at += 4) {
            const [red, green, blue] = data.slice(at, at + 3);
            if (data[at + 3] > 100 && Math.max(red, green, blue) - Math.min(red, green, blue) > 40) count += 1;
          }
          return count;
        }"""
    )
    return count


def until_painted(page: Page) -> None:
    """Wait until both charts show something; they are drawn once a second."""
    deadline = time.monotonic() + 20
    while not (painted(page, "#answers-chart") > 100 and painted(page, "#latency-chart") > 100):
        assert time.monotonic() < deadline, "the charts stay empty"
        page.wait_for_timeout(250)


def contrast(page: Page, selector: str) -> float:
    """The contrast ratio of an element's text with the first ground behind it (WCAG 2.2, 1.4.3)."""
    ratio: float = page.locator(selector).first.evaluate(
        """element => {
          const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
          const read = (colour) => {
            canvas.clearRect(0, 0, 1, 1);
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
          };
          const light = ([...rgb]) => rgb.slice(0, 3).map((part) => part / 255)
            .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
            .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
          let ground = element;
          while (read(getComputedStyle(ground).backgroundColor)[3] < 255) ground = ground.parentElement;
          const both = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor].map(read).map(light);
          return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
        }"""
    )
    return ratio


def test_opens_with_a_green_light_and_without_a_word_in_the_console(page: Page, take_screenshot: TakeScreenshot):
    expect(page.locator("#light")).to_have_text("connected")
    expect(page).to_have_title("Pushaside on one machine")
    expect(page.locator("#answer-said")).to_contain_text("Texas: 209 airports")
    take_screenshot(page, "light")


def test_shows_the_airports_of_a_state_and_that_they_come_from_the_cache_the_second_time(page: Page):
    pick(page, "Vermont")
    expect(page.locator("#answer-cache")).to_have_text("miss")
    expect(page.get_by_role("cell", name="Burlington International")).to_be_visible()
    expect(page.locator("#answer-ms")).to_have_text(re.compile(r"^[\d.]+ m?s$"))
    ask_again(page)
    expect(page.locator("#answer-cache")).to_have_text("hit")
    expect(page.locator("#answer-etag")).to_have_text(re.compile(r"^[0-9a-f]{24}$"))


def test_has_a_result_computed_anew_when_that_is_asked_for(page: Page):
    pick(page, "Delaware")
    ask_again(page)
    expect(page.locator("#answer-cache")).to_have_text("hit")
    page.get_by_role("button", name="Recompute").click()
    expect(page.locator("#answer-cache")).to_have_text("miss")


def test_asks_a_thousand_times_and_says_how_that_went(page: Page, take_screenshot: TakeScreenshot):
    pick(page, "Hawaii")
    page.get_by_role("button", name="Ask 1,000 times").click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    take_screenshot(page, "burst")
    told = page.locator("#burst-result")
    expect(told).to_contain_text("hits/s", timeout=60_000)
    expect(told).to_have_text(re.compile(r"p50 [\d.]+ ms, p99 .+ from the cache"))


def test_a_burst_can_be_stopped(page: Page):
    button = page.locator("#burst")
    expect(button).to_have_text("Ask 1,000 times")
    # By one turn of the page: a browser that is slow in between finds the burst to be over.
    assert (
        button.evaluate("button => { button.click(); const shown = button.textContent; button.click(); return shown }")
        == "Stop"
    )
    expect(page.locator("#burst-result")).to_have_text("Stopped.")


def test_a_score_goes_through_the_table_and_comes_back_in_the_leaderboard(page: Page, take_screenshot: TakeScreenshot):
    expect(page.locator(".place")).to_have_count(10)
    page.get_by_label("Member").fill("Ada")
    page.get_by_label("Points", exact=True).fill("999")
    page.get_by_role("button", name="Score", exact=True).click()
    first = page.locator(".place").first
    expect(first).to_contain_text("Ada")
    expect(first).to_contain_text("999")
    expect(page.locator("#board-said")).to_have_text(
        re.compile(r"^Ada has 999: [\d.]+ m?s from the click to the screen\.$")
    )
    take_screenshot(page, "score")


def test_a_score_that_is_not_among_the_first_ten_is_said_to_be_so(page: Page):
    expect(page.locator(".place")).to_have_count(10)
    page.get_by_label("Member").fill("Guam")
    page.get_by_label("Points", exact=True).fill("1")
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.locator("#board-said")).to_contain_text("which is not in the top ten")


def test_a_score_that_cannot_be_written_is_said_to_be_so(open_page: OpenPage, stack: Stack):
    page = open_page(stack.http, may_fail=True)
    page.route("**/_local/demo/score", lambda route: route.abort())
    expect(page.locator(".place")).to_have_count(10)
    page.locator(".place button").first.click()
    expect(page.get_by_role("alert")).to_have_text("The runtime cannot be reached. Is it running?")


def test_places_are_taken_by_who_has_more(page: Page):
    expect(page.locator(".place")).to_have_count(10)
    last = page.locator(".place").last.get_attribute("data-member")
    page.get_by_label("Member").fill(str(last))
    page.get_by_label("Points", exact=True).fill("1000")
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.locator(f".place:nth-child(-n+2)[data-member={last}]")).to_be_visible()
    expect(page.locator(".place .rank")).to_have_text([str(rank) for rank in range(1, 11)])


@pytest.mark.usefixtures("uplot")
def test_charts_and_numbers_follow_what_is_asked(page: Page, take_screenshot: TakeScreenshot):
    page.get_by_role("radio", name="50/s").check(force=True)
    page.get_by_role("button", name="Auto-play").click()
    expect(page.locator("#answers-chart")).to_have_attribute("aria-label", re.compile(r"hits [1-9]\d*(\.\d)?/s"))
    expect(page.locator("#latency-chart")).to_have_attribute("aria-label", re.compile(r"p50 [\d.]+ ms, p99 [\d.]+ m?s"))
    expect(page.locator("#tile-pushes .tile-note")).to_have_text(re.compile(r"^[1-9][\d,]* so far$"))
    expect(page.locator("#tile-cache")).to_contain_text("Redis")
    until_painted(page)
    take_screenshot(page, "load")


@pytest.mark.parametrize(
    ("l1", "redis", "stale", "misses", "value", "filled"),
    [(0, 0, 0, 3, "0%", 0.0), (1, 1, 1, 1, "75%", 0.75), (2, 2, 0, 0, "100%", 1.0)],
)
def test_the_bar_of_the_cache_is_as_full_as_its_number_says(
    open_page: OpenPage, stack: Stack, l1: int, redis: int, stale: int, misses: int, value: str, filled: float
):
    page = open_page("about:blank", permissions=["local-network-access"], reduced_motion="reduce")

    def with_counts(route: Route) -> None:
        response = route.fetch()
        stats = response.json()
        stats["cache"] |= {"hits": {"l1": l1, "redis": redis}, "stale": stale, "misses": misses}
        route.fulfill(response=response, json=stats)

    page.route("**/_local/stats", with_counts)
    page.goto(stack.http)
    expect(page.locator("#tile-cache .tile-value")).to_have_text(value)
    share = page.locator("#tile-cache .shares").evaluate(
        """bar => [...bar.children].reduce((sum, part) => sum + part.getBoundingClientRect().width, 0)
          / bar.getBoundingClientRect().width"""
    )
    assert share == pytest.approx(filled, abs=0.05)


def test_fits_a_phone(open_page: OpenPage, stack: Stack, take_screenshot: TakeScreenshot):
    page = open_page(stack.http, **PHONE)
    expect(page.locator("#answer-said")).to_contain_text("Texas: 209 airports")
    expect(page.locator(".place")).to_have_count(10)
    page.locator("#messages summary").click()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#message-log .received")).not_to_have_count(0)
    assert overflow(page) == 0
    take_screenshot(page, "phone")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(
    open_page: OpenPage, stack: Stack, take_screenshot: TakeScreenshot, scheme: str
):
    page = open_page(stack.http, color_scheme=scheme, reduced_motion="reduce", viewport={"width": 1280, "height": 900})
    expect(page.locator("#answer-cache")).to_be_visible()
    expect(page.locator(".place")).to_have_count(10)
    texts = ("h1", ".intro p", ".tile h3", ".tile-note", "#ask", "#recompute", ".chip[aria-pressed=true]", ".badge")
    more = ("td", "th", ".facts code", ".place .name", ".rank", ".place button", ".path span", ".legend", "#light", "a")
    assert {each: ratio for each in (*texts, *more) if (ratio := contrast(page, each)) < 4.5} == {}
    take_screenshot(page, f"{scheme}-still")


@pytest.mark.usefixtures("uplot")
def test_is_dark_where_dark_is_preferred(open_page: OpenPage, stack: Stack, take_screenshot: TakeScreenshot):
    page = open_page(stack.http, color_scheme="dark", viewport={"width": 1280, "height": 900})
    expect(page.locator(".place")).to_have_count(10)
    page.get_by_role("radio", name="50/s").check(force=True)
    expect(page.locator("#answers-chart")).to_have_attribute("data-empty", "false")
    expect(page.locator("body")).to_have_css("background-color", "rgb(14, 19, 18)")
    until_painted(page)
    take_screenshot(page, "dark")
    page.emulate_media(color_scheme="light")
    expect(page.locator("body")).to_have_css("background-color", "rgb(245, 246, 243)")
    until_painted(page)


def test_nothing_moves_where_stillness_is_preferred(open_page: OpenPage, stack: Stack):
    page = open_page(stack.http, reduced_motion="reduce")
    expect(page.locator(".place")).to_have_count(10)
    page.locator(".place button").first.click()
    expect(page.locator("#board-said")).to_contain_text("from the click to the screen")
    assert page.evaluate("() => document.getAnimations().length") == 0


def test_everything_is_done_by_keyboard_alone(page: Page):
    focused = page.locator(":focus")

    def go_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("name => document.activeElement.matches(name)", name):
                outline = focused.evaluate("element => getComputedStyle(element).outlineStyle")
                assert outline == "solid", f"{name} has the focus and does not show it"
                return
        raise AssertionError(f"{name} is not reached by the keyboard")

    expect(page.locator(".place")).to_have_count(10)
    go_to(".skip")
    go_to("#state")
    page.keyboard.type("Rhode")
    expect(page.locator("#answer-said")).to_contain_text("Rhode Island:")
    go_to("#ask")
    page.keyboard.press("Enter")
    expect(page.locator("#answer-cache")).to_have_text("hit")
    go_to(".scroll")
    go_to(".place:first-child button")
    page.keyboard.press("Space")
    expect(page.locator("#board-said")).to_contain_text("from the click to the screen")
    expect(focused).to_have_text("+10")
    go_to("#play")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="10/s")).to_be_checked()
    go_to("summary")
    page.keyboard.press("Enter")
    go_to("#message")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#message-log .received").first).to_contain_text('"type"')


def test_says_what_is_missing_where_there_are_no_charts(open_page: OpenPage, stack: Stack):
    # A page that the test has changed counts as coming from elsewhere, and may reach this machine only if allowed to.
    page = open_page("about:blank", permissions=["local-network-access"])

    def without_charts(route: Route) -> None:
        response = route.fetch()
        body = response.text().replace('data-charts="yes"', 'data-charts="no"')
        route.fulfill(response=response, body=body)

    page.route(stack.http, without_charts)
    page.goto(stack.http)
    expect(page.locator("#charts-absent")).to_contain_text("npm ci --ignore-scripts")
    expect(page.locator("#answer-said")).to_contain_text("Texas: 209 airports")
    expect(page.locator("#tile-messages .tile-note")).to_contain_text("so far")


def test_counts_percentiles_by_nearest_rank_and_rates_from_a_restart_on_anew(page: Page):
    figures = page.evaluate(
        """async () => {
          const { Rates, summarize } = await import("/_local/page/figures.js");
          const rates = new Rates();
          return {
            some: summarize([30, 10, 20, 40]),
            none: summarize([]),
            rates: [[10, 0, 0], [30, 4, 2000], [1, 0, 3000], [3, 0, 3500]]
              .map(([hit, stale, at]) => rates.of({ hit, stale }, at)),
          };
        }"""
    )
    assert figures["some"] == {"size": 4, "p50": 20, "p99": 40}
    assert figures["none"] == {"size": 0, "p50": None, "p99": None}
    assert figures["rates"] == [None, {"hit": 10, "stale": 2}, None, {"hit": 4, "stale": 0}]
