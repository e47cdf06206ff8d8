"""Which messages of a batch have failed is decided as Lambda decides it."""

from __future__ import annotations

import json

import pytest

from local.functions.invocation import Invocation, Outcome
from local.sources.sqs_events import failed_messages

SENT = {"a", "b", "c"}


def failed(answer: object, *, report_item_failures: bool = True) -> set[str]:
    invocation = Invocation(Outcome.RETURNED, json.dumps(answer).encode())
    return set(failed_messages(invocation, SENT, report_item_failures=report_item_failures))


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_these_answers_mean_that_everything_succeeded(answer: object) -> None:
    assert failed(answer) == set()


def test_the_named_messages_failed() -> None:
    assert failed({"batchItemFailures": [{"itemIdentifier": "b"}]}) == {"b"}


@pytest.mark.parametrize(
    "answer",
    [
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"identifier": "b"}]},
        {"batchItemFailures": [{"itemIdentifier": "unknown"}]},
        {"batchItemFailures": ["b"]},
        {"batchItemFailures": "b"},
        {"batchItemFailures": {"b": 1}},
        "done",
        [1],
    ],
)
def test_these_answers_fail_the_whole_batch(answer: object) -> None:
    assert failed(answer) == SENT


def test_without_partial_responses_the_answer_does_not_matter() -> None:
    assert failed({"batchItemFailures": [{"itemIdentifier": "b"}]}, report_item_failures=False) == set()


@pytest.mark.parametrize("outcome", [Outcome.RAISED, Outcome.TIMED_OUT, Outcome.THROTTLED])
def test_an_invocation_that_failed_fails_the_whole_batch(outcome: Outcome) -> None:
    assert set(failed_messages(Invocation(outcome, b"{}"), SENT, report_item_failures=True)) == SENT
