import doctest
import importlib

import pytest

MODULES = [
    "agenda",
    "backoff",
    "cli.changes",
    "cli.connecting",
    "cli.exits",
    "cli.output",
    "cli.subscribe",
    "data_forms",
    "errors",
    "fields",
    "load.histogram",
    "load.keys",
    "load.plan",
    "load.report",
    "load.schedule",
    "loop_thread",
    "messages",
    "metrics",
    "plan.advice",
    "plan.billing",
    "plan.costs",
    "plan.loads",
    "plan.planning",
    "plan.prices",
    "plan.report",
    "positions",
    "problems",
    "progress",
    "questions",
    "raw_json",
    "reaching",
    "settings",
    "tokens",
    "topic_questions",
    "webhooks",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(f"pushaside.{name}"))

    assert outcome.attempted > 0
    assert outcome.failed == 0
