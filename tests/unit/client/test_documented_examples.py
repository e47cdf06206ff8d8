import doctest
import importlib

import pytest

MODULES = [
    "pushaside.backoff",
    "pushaside.cli.screen.changes",
    "pushaside.cli.connecting",
    "pushaside.cli.exits",
    "pushaside.cli.output",
    "pushaside.cli.subscribe",
    "pushaside.cli.suggestions",
    "pushaside.errors",
    "pushaside.http.answers",
    "pushaside.http.changes",
    "pushaside.http.problems",
    "pushaside.sync.loop_thread",
    "pushaside.metrics",
    "pushaside.progress",
    "pushaside.protocol.data_forms",
    "pushaside.protocol.fields",
    "pushaside.protocol.messages",
    "pushaside.protocol.positions",
    "pushaside.protocol.questions",
    "pushaside.protocol.raw_json",
    "pushaside.protocol.topic_questions",
    "pushaside.reaching",
    "pushaside.session.agenda",
    "pushaside.settings",
    "pushaside.tokens",
    "pushaside.webhooks",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))

    assert outcome.attempted > 0
    assert outcome.failed == 0
