"""docs/deploy.md: as many of everything as the template has."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.documentation.blocks import ROOT

PAGE = " ".join((ROOT / "docs/deploy.md").read_text().split())
COUNTED = {
    "functions": "AWS::Serverless::Function",
    "tables": "AWS::DynamoDB::Table",
    "queues": "AWS::SQS::Queue",
    "secrets": "AWS::SecretsManager::Secret",
    "log groups": "AWS::Logs::LogGroup",
    "alarms": "AWS::CloudWatch::Alarm",
}


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    found: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
    return found


@pytest.mark.parametrize("noun", COUNTED)
def test_it_counts_what_the_template_has(noun: str, resources: dict[str, Any]) -> None:
    counts = Counter(resource["Type"] for resource in resources.values())
    (said,) = re.findall(rf"\b(\d+) {noun}\b", PAGE)
    assert int(said) == counts[COUNTED[noun]]


def test_it_counts_the_dead_letter_queues(resources: dict[str, Any]) -> None:
    found = [name for name, each in resources.items() if each["Type"] == "AWS::SQS::Queue" and "DeadLetter" in name]
    assert f"of which {len(found)} are dead-letter queues" in PAGE


def test_it_names_the_tables_whose_rows_expire_and_what_outlives_the_stack(resources: dict[str, Any]) -> None:
    (expiring,) = re.findall(r"The rows of (.*?) expire", PAGE)
    (kept,) = re.findall(r"Deleting the stack keeps (.*?), because", PAGE)
    tables = {name: each for name, each in resources.items() if each["Type"] == "AWS::DynamoDB::Table"}
    assert set(re.findall(r"`(\w+)`", expiring)) == {
        name for name, each in tables.items() if "TimeToLiveSpecification" in each["Properties"]
    }
    retained = {name for name, each in resources.items() if each.get("DeletionPolicy") == "Retain"}
    assert set(re.findall(r"`(\w+)`", kept)) == {name for name in retained if not name.startswith("Gateway")}
