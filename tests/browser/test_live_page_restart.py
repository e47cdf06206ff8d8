"""What the page shows when its runtime goes away, comes back, or asks for a token."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, TakeScreenshot
from tests.e2e.conftest import Stack, running
from tests.e2e.test_access import make_token

pytestmark = pytest.mark.slow

expect.set_options(timeout=20_000)


def test_the_light_is_red_without_a_token_amber_without_the_runtime_and_green_again_with_the_next_one(
    open_page: OpenPage, tmp_path: Path, take_screenshot: TakeScreenshot
):
    """One page sees it all: each runtime that starts is seconds of work for the machine."""
    with running(make_folder(tmp_path, "first"), "--auth", "jwt") as stack:
        page = open_page(stack.http, may_fail=True, viewport={"width": 1280, "height": 900})
        give_token_when_asked(page, stack, take_screenshot)
        expect(page.locator(".place")).to_have_count(10)
        page.locator(".place button").first.click()
        expect(page.locator("#board-said")).to_contain_text("from the click to the screen")
    light = page.locator("#light")
    expect(light).to_have_attribute("data-state", "reconnecting")
    expect(light).to_have_text(re.compile(r"^reconnecting [1-9]\d* s$"))
    expect(page.get_by_role("button", name="Ask again")).to_be_disabled()
    take_screenshot(page, "reconnecting")
    with running(make_folder(tmp_path, "second"), "--port", str(urlsplit(stack.http).port)):
        expect(light).to_have_attribute("data-state", "open", timeout=30_000)
        expect(light).to_have_text("connected")
        page.get_by_role("button", name="Ask again").click()
        expect(page.locator("#answer-cache")).to_have_text("miss")
        # The board is that of the new runtime, and it is still subscribed to.
        expect(page.locator(".place").first).to_contain_text("263")
        page.locator(".place button").first.click()
        expect(page.locator(".place").first).to_contain_text("273")


def make_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def give_token_when_asked(page: Page, stack: Stack, take_screenshot: TakeScreenshot) -> None:
    light = page.locator("#light")
    expect(light).to_have_attribute("data-state", "closed")
    expect(light).to_have_text("refused")
    expect(page.locator("#refused")).to_be_visible()
    take_screenshot(page, "refused")
    page.get_by_label("Token").fill(make_token(stack, "public"))
    page.get_by_role("button", name="Try again").click()
    expect(light).to_have_text("connected")
    expect(light).to_have_attribute("data-state", "open")
    expect(page.locator("#refused")).to_be_hidden()
    expect(page.locator("#answer-said")).to_contain_text("Texas: 209 airports")
