"""The live page of an application: its computes with a form for each, its faults, and its reloads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from local.application.new_command import make_application
from tests.browser.conftest import OpenPage, TakeScreenshot
from tests.e2e.conftest import Stack, running
from tests.e2e.test_access import make_token

pytestmark = pytest.mark.slow

expect.set_options(timeout=20_000)

FORMS = '''"""A compute whose params need every kind of field."""

import datetime as dt
from typing import Annotated, Literal

import msgspec

from push import ComputeFailedError, compute


class Address(msgspec.Struct, frozen=True):
    street: str
    city: str = "Bern"


class Size(msgspec.Struct, frozen=True):
    number: Annotated[int, msgspec.Meta(ge=1)] = 1
    size: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20


@compute(ttl=90.0, stale_ttl=3600.0, scope="shared", tags=("catalogue",))
async def search(
    words: list[str],
    day: dt.date | None = None,
    order: Literal["newest", "cheapest"] = "newest",
    page: Size = Size(),
    ratio: float = 0.5,
    is_open: bool = False,
    home: Address | None = None,
    extra: dict[str, int] | None = None,
) -> dict:
    """Search the catalogue."""
    return {
        "words": words, "day": day, "order": order, "page": page, "ratio": ratio,
        "is_open": is_open, "home": home, "extra": extra,
    }


@compute
async def refusing() -> dict:
    """Refuse."""
    raise ComputeFailedError("The shop is closed on Sundays.")


@compute
async def large() -> str:
    """Return more than a page should show."""
    return "x" * 100_000
'''


@dataclass(frozen=True, slots=True)
class Shop:
    """A running application and the folder of its code."""

    stack: Stack
    folder: Path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("application")
    make_application(folder / "shop")
    (folder / "shop/computes/forms.py").write_text(FORMS)
    with running(folder, "--app", str(folder / "shop"), "--auth", "jwt") as stack:
        yield Shop(stack, folder / "shop")


@pytest.fixture
def page(open_page: OpenPage, shop: Shop) -> Page:
    """The live page, connected with a token, at the compute `search`."""
    opened = open_page(shop.stack.http, may_fail=True, viewport={"width": 1280, "height": 900})
    opened.get_by_label("Token").fill(make_token(shop.stack, "public"))
    opened.get_by_role("button", name="Try again").click()
    choose(opened, "search")
    return opened


def choose(page: Page, compute: str) -> None:
    page.locator(f"#compute-list button[value={compute}]").click()
    expect(page.locator(".compute h3")).to_contain_text(compute)


def ask(page: Page) -> None:
    page.get_by_role("button", name="Ask", exact=True).click()


def field(page: Page, name: str) -> Locator:
    return page.get_by_label(re.compile(rf"^{name}( optional)?$"))


def test_lists_every_compute_with_its_doc_its_scope_and_its_times(page: Page, take_screenshot: TakeScreenshot) -> None:
    names = page.locator("#compute-list b")
    expect(names).to_have_text(["customer_orders", "large", "refusing", "search", "synthetic"])
    expect(page.locator(".compute .doc")).to_have_text("Search the catalogue.")
    told = ["all callers share the results", "fresh for 90 s", "then stale for 1 h", "at most 20 s of work"]
    expect(page.locator(".about li")).to_have_text(told)
    expect(page).to_have_title("shop on one machine")
    expect(page.locator("#airports")).to_be_hidden()
    take_screenshot(page, "application")


def test_a_form_sends_what_its_fields_hold_and_leaves_out_what_is_not_given(page: Page) -> None:
    field(page, "words").fill("desk")
    page.get_by_role("button", name="Add to words").click()
    field(page, "words").nth(1).fill("lamp")
    field(page, "day").fill("2026-03-01")
    field(page, "order").select_option("cheapest")
    field(page, "size").fill("50")
    field(page, "is_open").check()
    page.get_by_label("home").check()
    field(page, "street").fill("Hill")
    field(page, "extra").fill('{"a": 1}')
    ask(page)
    expect(page.locator(".compute .badge")).to_have_text("miss")
    assert json.loads(page.locator(".data").inner_text()) == {
        "words": ["desk", "lamp"],
        "day": "2026-03-01",
        "order": "cheapest",
        "page": {"number": 1, "size": 50},
        "ratio": 0.5,
        "is_open": True,
        "home": {"street": "Hill", "city": "Bern"},
        "extra": {"a": 1},
    }
    expect(page.locator(".compute .sources code")).to_have_text(["catalogue"])
    ask(page)
    expect(page.locator(".compute .badge")).to_have_text("hit")
    expect(page.locator(".said")).to_have_text(re.compile(r"^Answered in [\d.]+ m?s: from the cache\.$"))
    page.get_by_role("button", name="Skip the cache").click()
    expect(page.locator(".compute .badge")).to_have_text("miss")


def test_a_value_that_does_not_fit_is_told_at_its_field(page: Page) -> None:
    field(page, "words").fill("desk")
    expect(field(page, "size")).to_have_accessible_description("1 to 100")
    field(page, "size").fill("1000")
    ask(page)
    expect(page.locator(".field-error:visible")).to_have_text("Expected `int` <= 100.")
    expect(field(page, "size")).to_have_attribute("aria-invalid", "true")
    expect(field(page, "size")).to_be_focused()
    field(page, "size").fill("ten")
    ask(page)
    expect(page.locator(".field-error:visible")).to_have_text("“ten” is not a number.")
    field(page, "size").fill("10")
    ask(page)
    expect(page.locator(".compute .badge")).to_have_text("miss")


def test_a_result_without_sources_is_said_to_have_none(page: Page) -> None:
    choose(page, "large")
    ask(page)
    expect(page.locator(".compute .sources dd")).to_have_text("no source: only time makes it stale")


def test_a_required_field_that_is_empty_is_not_sent(page: Page) -> None:
    ask(page)
    expect(page.locator(".field-error:visible")).to_have_text("Give a value.")
    expect(field(page, "words")).to_be_focused()


def test_params_are_edited_as_json_and_go_back_into_the_form(page: Page) -> None:
    field(page, "words").fill("desk")
    page.get_by_role("button", name="Edit as JSON").click()
    text = page.get_by_label("Params as JSON")
    assert json.loads(text.input_value())["words"] == ["desk"]
    text.fill('{"words": ["chair"')
    ask(page)
    expect(page.locator(".field-error:visible")).to_contain_text("not valid JSON")
    text.fill('{"words": ["chair"], "colour": 1}')
    ask(page)
    expect(page.get_by_role("alert")).to_contain_text("Object contains unknown field `colour`.")
    text.fill('{"words": ["chair"], "page": {"size": 7}}')
    page.get_by_role("button", name="Edit as a form").click()
    expect(field(page, "words")).to_have_value("chair")
    expect(field(page, "size")).to_have_value("7")


def test_a_failure_is_shown_as_its_sentence(page: Page) -> None:
    choose(page, "refusing")
    ask(page)
    expect(page.get_by_role("alert")).to_have_text("The shop is closed on Sundays.")


def test_a_large_answer_is_cut_and_says_so(page: Page) -> None:
    choose(page, "large")
    ask(page)
    expect(page.locator(".data")).to_contain_text("… the first 50,000 of 100,002 characters")
    assert len(page.locator(".data").inner_text()) < 51_000


def test_a_fault_is_shown_while_it_lasts_and_the_subscribers_get_the_result_of_the_corrected_code(
    page: Page, shop: Shop, take_screenshot: TakeScreenshot
) -> None:
    code = shop.folder / "computes/orders.py"
    original = code.read_text()
    choose(page, "customer_orders")
    field(page, "customer").fill("ada")
    page.get_by_role("button", name="Subscribe", exact=True).click()
    expect(page.locator(".said")).to_contain_text("Subscribed")
    expect(page.locator(".data")).to_have_text(re.compile("desk.*lamp", re.DOTALL))
    try:
        code.write_text(original + "\ndef (\n")
        expect(page.locator("#fault")).to_contain_text("computes/orders.py, line 12 invalid syntax.")
        take_screenshot(page, "fault")
        code.write_text(original.replace("newest_first=True", "newest_first=False"))
        expect(page.locator("#fault")).to_be_hidden()
        expect(page.locator(".data")).to_have_text(re.compile("lamp.*desk", re.DOTALL))
    finally:
        code.write_text(original)


def test_a_changed_signature_changes_the_form_and_keeps_what_was_given(page: Page, shop: Shop) -> None:
    code = shop.folder / "computes/forms.py"
    field(page, "words").fill("desk")
    try:
        code.write_text(FORMS.replace("ratio: float", "share: float").replace("ratio,", "share,"))
        expect(field(page, "share")).to_be_visible()
        expect(field(page, "ratio")).to_have_count(0)
        expect(field(page, "words")).to_have_value("desk")
    finally:
        code.write_text(FORMS)
        expect(field(page, "ratio")).to_be_visible()


def test_fits_a_phone(open_page: OpenPage, shop: Shop, take_screenshot: TakeScreenshot) -> None:
    page = open_page(shop.stack.http, may_fail=True, viewport={"width": 360, "height": 780}, is_mobile=True)
    page.get_by_label("Token").fill(make_token(shop.stack, "public"))
    page.get_by_role("button", name="Try again").click()
    choose(page, "search")
    width = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(width) == 0
    take_screenshot(page, "application-phone")
