"""Chromium, driven by Playwright, and the stack whose page it opens. Screenshots are kept in `screenshots/`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from local.page.assets import FILES
from tests.e2e.conftest import Stack, running

SCREENSHOTS = Path(__file__).with_name("screenshots")
TIMEOUT_MS = 20_000

TakeScreenshot = Callable[[Page, str], None]
OpenPage = Callable[..., Page]


# Not for the whole session: while it is open Playwright runs an event loop, beside which asyncio's tests can't run.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        _do_without("There is no Chromium on this machine.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def uplot() -> None:
    """What draws the charts."""
    if not FILES["uPlot.esm.js"][0].is_file():
        _do_without("uPlot is not installed: npm ci --ignore-scripts in local/page.")


def _do_without(sentence: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("page_stack")) as started:
        yield started


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Open a page at an address; options are those of Playwright's contexts. No page may report an error."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(address: str, *, may_fail: bool = False, **options: object) -> Page:
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(f"not caught: {error}"))
        if not may_fail:
            page.on("console", lambda line: errors.append(line.text) if line.type in {"error", "warning"} else None)
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(open_page: OpenPage, stack: Stack) -> Page:
    """The live page, connected."""
    opened = open_page(stack.http, viewport={"width": 1280, "height": 900})
    opened.locator("#light[data-state=open]").wait_for()
    return opened


@pytest.fixture
def take_screenshot() -> TakeScreenshot:
    SCREENSHOTS.mkdir(exist_ok=True)

    def take(page: Page, name: str) -> None:
        page.evaluate("() => scrollTo(0, 0)")
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    return take
