"""The page of examples/orders, as two customers and as staff; Playwright answers for React's CDN."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from push.testing import LocalApplication
from push.testing.local_applications import run_locally
from tests.browser.conftest import OpenPage, TakeScreenshot
from tests.browser.react_pages import ROOT, answer_for_cdn

pytestmark = pytest.mark.slow

PATIENCE_MS = 20_000

SignIn = Callable[..., Page]


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApplication]:
    with run_locally(ROOT / "examples/orders", tmp_path_factory.mktemp("orders")) as running:
        yield running


@pytest.fixture
def sign_in(open_page: OpenPage, orders: LocalApplication) -> SignIn:
    """Open the page and give it the token of a caller."""

    def sign_in(principal: str, **claims: object) -> Page:
        page = open_page("about:blank", viewport={"width": 900, "height": 700})
        answer_for_cdn(page)
        page.goto(f"{orders.http}app/")
        page.get_by_label("Token").fill(orders.token(principal, **claims))
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text(f"{principal} · live")).to_be_visible(timeout=PATIENCE_MS)
        return page

    return sign_in


def test_two_customers_see_their_own_orders(sign_in: SignIn, take_screenshot: TakeScreenshot) -> None:
    ada, bob = sign_in("ada"), sign_in("bob")
    expect(ada.locator(".item")).to_have_text(["bookshelf", "desk", "lamp"], timeout=PATIENCE_MS)
    expect(bob.locator(".item")).to_have_text(["rug", "chair"], timeout=PATIENCE_MS)
    ada.get_by_role("button", name="desk").click()
    expect(ada.locator(".reached")).to_have_text(["open", "packed", "shipped"], timeout=PATIENCE_MS)
    take_screenshot(ada, "orders-ada")
    take_screenshot(bob, "orders-bob")


def test_staff_sees_totals_and_everybodys_orders(sign_in: SignIn, take_screenshot: TakeScreenshot) -> None:
    staff = sign_in("eve", role="staff")
    expect(staff.locator(".item")).to_have_text(["bookshelf", "rug", "mirror"], timeout=PATIENCE_MS)
    expect(staff.locator("nav b")).to_have_text(["3", "1", "1", "1"])
    staff.get_by_role("button", name="packed").click()
    staff.get_by_role("button", name="chair bob").click()
    expect(staff.get_by_role("heading", name="Orders of bob")).to_be_visible()
    expect(staff.get_by_label("Orders", exact=True).locator(".item")).to_have_text(["rug", "chair"])
    take_screenshot(staff, "orders-staff")


def test_the_page_of_one_customer_can_not_ask_for_the_orders_of_another(sign_in: SignIn) -> None:
    page = sign_in("bob")
    asked = page.evaluate(
        """async ([url, token]) => {
          const { connect } = await import("/app/pushaside.js");
          const client = await connect(url, { token });
          return client.request("customer_orders", { customer: "ada" }).then(() => "shown", (error) => error.code);
        }""",
        [page.evaluate("`ws://${location.host}/v1`"), page.evaluate("sessionStorage.token")],
    )
    assert asked == "forbidden"


def test_a_token_that_another_service_signed_is_refused_with_the_reason(
    open_page: OpenPage, orders: LocalApplication
) -> None:
    page = open_page("about:blank", may_fail=True)  # Chromium reports the status 401
    answer_for_cdn(page)
    page.goto(f"{orders.http}app/")
    page.get_by_label("Token").fill(replace(orders, token_secret="b" * 32).token("ada"))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Sign out, and in again.", timeout=PATIENCE_MS)
    expect(page.get_by_role("alert")).not_to_contain_text("undefined")


def test_the_page_asks_for_another_token_if_this_is_none(open_page: OpenPage, orders: LocalApplication) -> None:
    page = open_page("about:blank")
    answer_for_cdn(page)
    page.goto(f"{orders.http}app/")
    page.get_by_label("Token").fill("nonsense")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("This is not a token. `pushaside token` makes one.")
