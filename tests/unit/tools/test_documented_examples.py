import doctest
import importlib

import pytest

MODULES = [
    "load.feed_ledger",
    "load.histogram",
    "load.keys",
    "load.plan",
    "load.report",
    "load.report_plots",
    "load.schedule",
    "plan.advice",
    "plan.billing",
    "plan.loads",
    "plan.planning",
    "plan.prices",
    "plan.report",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(f"pushaside_tools.{name}"))

    assert outcome.attempted > 0
    assert outcome.failed == 0
