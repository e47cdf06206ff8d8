"""The browser client in Chromium does in every scenario what the protocol says.

The scenarios, the service and the steps are those of `tests/client_conformance`; the service also gives the page that
they are played in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.client_conformance.catalogue import load_clients, load_scenarios
from tests.client_conformance.running import Verdict, judge, scripted_service

pytestmark = pytest.mark.slow

AT_ONCE = 6  # as many calls as Chromium makes at once of one host
SCENARIOS = load_scenarios()
LACKS = load_clients()["chromium"]
PLAY = """async ({ scenarios, atOnce }) => {
  const [pushaside, { playAll }] = await Promise.all([import("/page/pushaside.js"), import("/page/steps.mjs")]);
  const reports = [];
  await playAll(pushaside, scenarios, { atOnce, report: (each) => reports.push(each) });
  return reports;
}"""


@pytest.fixture(scope="module")
def verdicts(chromium: Browser) -> Iterator[dict[str, Verdict]]:
    scenarios = [each for each in SCENARIOS.values() if not LACKS.keys() & set(each["needs"])]
    with scripted_service() as service:
        page = chromium.new_page()
        page.goto(f"{service}/page")

        def play(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
            reports: list[dict[str, Any]] = page.evaluate(PLAY, {"scenarios": given, "atOnce": AT_ONCE})
            return reports

        yield judge(service, "chromium", scenarios, play)
        page.close()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_client_does_as_the_protocol_says(scenario: str, verdicts: dict[str, Verdict]) -> None:
    for need in SCENARIOS[scenario]["needs"]:
        if need in LACKS:
            pytest.skip(LACKS[need])
    assert verdicts[scenario].problems == []
