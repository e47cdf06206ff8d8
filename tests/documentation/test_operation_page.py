"""The page of operation names the metrics that the functions count, and the alarms that it explains exist."""

from __future__ import annotations

import re

from push.metrics import Metric
from tests.documentation.blocks import ROOT

PAGE = (ROOT / "docs/operation.md").read_text()
TEMPLATE = (ROOT / "template.yaml").read_text()

ELSEWHERE = {Metric.WEBHOOK_ATTEMPT: "docs/webhooks.md", Metric.WEBHOOK_DISABLED: "docs/webhooks.md"}
"""Metrics whose subject has a page of its own."""


def test_every_metric_is_explained_and_no_other() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| [^|]*\| [^|]+\|$", PAGE, re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`([A-Za-z]+)`", row)}
    assert explained == {metric.value for metric in Metric if metric not in ELSEWHERE}


def test_the_other_metrics_are_explained_on_their_own_page() -> None:
    for metric, page in ELSEWHERE.items():
        assert f"`{metric.value}`" in (ROOT / page).read_text()


def test_the_alarms_on_the_page_are_in_the_template() -> None:
    alarms = set(re.findall(r"`(\w+Alarm)`", PAGE))
    assert "ChangeLagAlarm" in alarms
    assert alarms <= set(re.findall(r"^  (\w+Alarm):$", TEMPLATE, re.MULTILINE))
