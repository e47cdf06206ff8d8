"""A page with a real React and the hooks in it, of whatever origin: Playwright answers for its files.

React's packages are CommonJS, which browsers do not load, so `require.mjs` loads them as Node does.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.sync_api import Page, Route

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients/browser"
PACKAGES = ROOT / "tests/node/node_modules"
FOLDER = "_react"
CDN = "https://esm.sh/"
CDN_NAMES = {f"{CDN}react@19": "/react.mjs", f"{CDN}react-dom@19/client": "/react_dom.mjs"}
COMMON_JS = {
    "react": "react/cjs/react.development.js",
    "react-dom": "react-dom/cjs/react-dom.development.js",
    "react-dom/client": "react-dom/cjs/react-dom-client.development.js",
    "react-dom/server": "react-dom/cjs/react-dom-server-legacy.browser.development.js",
    "scheduler": "scheduler/cjs/scheduler.development.js",
}
PAGE = f"""<!doctype html><meta charset=utf-8><title>React</title><link rel=icon href=data:,>
<script type=importmap>{{"imports": {{"react": "/{FOLDER}/react.mjs"}}}}</script>
<div id=root></div>
<script type=module>
import React from "react";
import {{ require }} from "/{FOLDER}/require.mjs";
import * as hooks from "/{FOLDER}/react.js";
import * as pushaside from "/{FOLDER}/pushaside.js";
const {{ createRoot, hydrateRoot }} = require("react-dom/client");
const {{ renderToString }} = require("react-dom/server");
Object.assign(window, {{ React, h: React.createElement, createRoot, hydrateRoot, renderToString, pushaside }}, hooks);
window.element = document.getElementById("root");
document.documentElement.dataset.ready = "yes";
</script>"""
REQUIRE = """const process = { env: { NODE_ENV: "development" } };
const loaded = new Map();
export function require(name) {
  if (!loaded.has(name)) {
    const module = { exports: {} };
    loaded.set(name, module);
    new Function("module", "exports", "require", "process", texts[name])(module, module.exports, require, process);
  }
  return loaded.get(name).exports;
}
"""
REACT_DOM = f"""import {{ require }} from "/{FOLDER}/require.mjs";
export const {{ createRoot, hydrateRoot }} = require("react-dom/client");
"""
REACT = f"""import {{ require }} from "/{FOLDER}/require.mjs";
const react = require("react");
export default react;
export const {{
  createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore,
}} = react;
"""


def open_react(page: Page, origin: str, *, beside: str | None = None) -> None:
    """Open the page at an origin; what the tests use is global there.

    Chromium lets only a page of this machine connect to it, and does not take an answer of Playwright's for one. So the
    page may take the place of another, `beside`, that a service has given.
    """
    _need_react()
    address = f"{origin.rstrip('/')}/{FOLDER}"
    page.route(f"{address}/**", _answer)
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    if beside is None:
        page.goto(f"{address}/page.html")
    else:
        page.goto(beside)
        page.set_content(PAGE)
    page.locator("html[data-ready=yes]").wait_for(state="attached")


def answer_for_cdn(page: Page) -> None:
    """Answer for React of the CDN that import maps name, with the React that is installed here."""
    _need_react()
    page.route(f"{CDN}**", lambda route: _answer_as(route, CDN_NAMES.get(route.request.url, route.request.url)))


def _need_react() -> None:
    if not all((PACKAGES / path).is_file() for path in COMMON_JS.values()):
        _do_without("React is not installed: npm ci --ignore-scripts in tests/node.")


def evaluate(page: Page, script: str, *given: Any) -> Any:
    """Run the body of a function in the page; `given` are its arguments `one`, `two`, and so on."""
    return page.evaluate(f"async ([one, two]) => {{ {script} }}", [*given, None, None][:2])


def _answer(route: Route) -> None:
    _answer_as(route, route.request.url)


def _answer_as(route: Route, address: str) -> None:
    name = address.rsplit("/", 1)[1]
    if name == "page.html":
        route.fulfill(body=PAGE, content_type="text/html")
    elif name == "require.mjs":
        texts = {name: (PACKAGES / path).read_text() for name, path in COMMON_JS.items()}
        _fulfill(route, f"const texts = {json.dumps(texts)};\n{REQUIRE}")
    elif name == "react.mjs":
        _fulfill(route, REACT)
    elif name == "react_dom.mjs":
        _fulfill(route, REACT_DOM)
    else:
        route.fulfill(path=CLIENT / name, content_type="text/javascript")


def _fulfill(route: Route, text: str) -> None:
    route.fulfill(body=text, content_type="text/javascript", headers={"Access-Control-Allow-Origin": "*"})


def _do_without(sentence: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
