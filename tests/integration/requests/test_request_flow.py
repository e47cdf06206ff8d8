"""A request from the client's message to its answer, through the handlers as Lambda calls them."""

from __future__ import annotations

import json
import time

import pytest

from push.cache.jobs import JobKind
from tests.integration.requests.scripted_computes import runs
from tests.integration.requests.stacks import Stack, job_of


def data_of(frames: list[dict]) -> list[dict]:
    return [{name: value for name, value in frame["data"].items() if name != "padding"} for frame in frames]


def codes(frames: list[dict]) -> list[str]:
    return [frame["error"]["code"] for frame in frames if frame["type"] == "error"]


@pytest.mark.parametrize("client", ["lean", "boto3"])
def test_a_miss_is_accepted_computed_and_pushed_and_then_a_hit(stack: Stack, client: str) -> None:
    stack.configure(MANAGEMENT_CLIENT=client)
    assert stack.ask("7") == {"type": "accepted", "id": "7"}
    assert stack.compute() == []
    (result,) = stack.pushed()
    assert (result["type"], result["id"], result["cache"]) == ("result", "7", "miss")
    assert data_of([result]) == [{"tenant": "acme", "run": 1}]
    hit = stack.ask("8")
    assert (hit["id"], hit["cache"], hit["etag"], hit["key"]) == ("8", "hit", result["etag"], result["key"])
    assert stack.receive() == []


def test_a_new_environment_finds_what_others_have_filled(stack: Stack) -> None:
    stack.ask()
    stack.compute()
    stack.environments.begin()
    assert stack.ask("2")["cache"] == "hit"


@pytest.mark.slow
def test_a_thousand_callers_of_one_key_cost_one_compute(stack: Stack) -> None:
    for number in range(1000):
        if number % 250 == 0:
            stack.environments.begin()
        assert stack.ask(connection_id=f"{number}=")["type"] == "accepted"
    stack.compute()
    assert stack.receive() == []
    assert [len(stack.pushed(f"{number}=")) for number in range(1000)] == [1] * 1000
    assert runs["acme", ""] == [1]


def test_a_job_and_its_guardian_are_sent_in_one_go(stack: Stack) -> None:
    stack.ask()
    (record,) = stack.receive()
    names = ["ApproximateNumberOfMessagesDelayed"]
    counts = stack.sqs.get_queue_attributes(QueueUrl=stack.queues["compute"], AttributeNames=names)
    assert job_of(record).kind is JobKind.REQUEST
    assert counts["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"


def test_keys_of_one_batch_are_computed_side_by_side(stack: Stack) -> None:
    for name in "abcde":
        stack.ask(connection_id=f"{name}=", params={"name": name, "seconds": 0.3})
    records = stack.receive()
    started = time.monotonic()
    assert stack.compute(records) == []
    assert time.monotonic() - started < 1.2
    assert all(len(stack.pushed(f"{name}=")) == 1 for name in "abcde")


def test_max_age_0_has_it_computed_anew(stack: Stack) -> None:
    stack.ask()
    stack.compute()
    assert stack.ask("2", max_age=0)["type"] == "accepted"
    assert stack.ask("3", connection_id="ben=", max_age=0)["type"] == "accepted"
    stack.compute()
    assert [each["run"] for each in data_of(stack.pushed())] == [1, 2]
    while records := stack.receive():
        stack.compute(records)
    assert len(stack.pushed("ben=")) == 1
    assert stack.ask("4")["cache"] == "hit"


def test_a_stale_result_is_answered_and_refreshed_once(stack: Stack) -> None:
    stack.ask(compute="brief")
    stack.compute()
    time.sleep(0.06)
    assert [stack.ask(str(number), compute="brief")["cache"] for number in range(2, 6)] == ["stale"] * 4
    (record,) = stack.receive()
    assert job_of(record).kind is JobKind.REFRESH
    assert stack.compute([record]) == []
    assert len(stack.pushed()) == 1
    stack.environments.begin()
    assert stack.ask("6", compute="brief")["data"]["run"] == 2


def test_tenants_share_nothing(stack: Stack) -> None:
    stack.ask(tenant="acme", connection_id="ann=")
    stack.compute()
    assert stack.ask(tenant="globex", connection_id="gus=")["type"] == "accepted"
    stack.compute()
    assert data_of(stack.pushed("gus=")) == [{"tenant": "globex", "run": 1}]
    assert stack.ask("2", tenant="globex", connection_id="gus=")["data"]["tenant"] == "globex"
    assert stack.ask("2", tenant="acme", connection_id="ann=")["data"]["tenant"] == "acme"


def test_a_shared_compute_is_computed_once_for_all_tenants(stack: Stack) -> None:
    stack.ask(tenant="acme", compute="shared")
    stack.compute()
    assert stack.ask(tenant="globex", connection_id="gus=", compute="shared")["cache"] == "hit"


@pytest.mark.parametrize(("failure", "code"), [("absent", "not_found"), ("broken", "compute_failed")])
def test_a_deterministic_failure_is_told_and_remembered_briefly(stack: Stack, failure: str, code: str) -> None:
    stack.ask(params={"failure": failure})
    assert stack.compute() == []
    assert codes(stack.pushed()) == [code]
    assert codes([stack.ask("2", params={"failure": failure})]) == [code]
    assert runs["acme", ""] == [1]
    time.sleep(1.1)
    assert stack.ask("3", params={"failure": failure})["type"] == "accepted"


def test_a_transient_failure_comes_back_soon_and_then_succeeds(stack: Stack) -> None:
    stack.ask(params={"failure": "throttled", "failing_attempts": 1})
    (record,) = stack.receive()
    assert stack.compute([record]) == [record["messageId"]]
    assert stack.pushed() == []
    (again,) = stack.wait_for("compute", seconds=3)
    assert again["messageId"] == record["messageId"]
    assert again["attributes"]["ApproximateReceiveCount"] == "2"
    assert stack.compute([again]) == []
    assert len(data_of(stack.pushed())) == 1
    assert runs["acme", ""] == [1, 2]


def test_who_can_not_wait_any_longer_is_told_at_his_deadline(stack: Stack) -> None:
    stack.ask(params={"seconds": 1.0}, deadline_ms=200)
    stack.ask("2", connection_id="ben=", params={"seconds": 1.0})
    stack.compute()
    assert codes(stack.pushed("ann=")) == ["timeout"]
    assert len(stack.pushed("ann=")) == 1
    assert len(data_of(stack.pushed("ben="))) == 1


def test_a_result_of_a_hundred_kilobytes_goes_through(stack: Stack) -> None:
    params = {"size_bytes": 100_000}
    stack.ask(params=params)
    stack.compute()
    assert stack.pushed()[0]["data"] == stack.ask("2", params=params)["data"]


@pytest.mark.parametrize(
    ("message", "code", "request_id"),
    [
        ("no json", "invalid_json", None),
        ("", "invalid_json", None),
        ("[" * 50_000, "invalid_json", None),
        ([], "invalid_message", None),
        ({"action": "request", "id": "7"}, "invalid_message", "7"),
        ({"action": "request", "id": "7", "compute": "scripted", "deadline_ms": -1}, "invalid_message", "7"),
        ({"action": "request", "id": "x" * 129, "compute": "scripted"}, "invalid_message", None),
        ({"action": "shout", "id": "7"}, "unknown_action", "7"),
        ({"action": "request", "id": "7", "compute": "unheard-of"}, "unknown_compute", "7"),
        ({"action": "request", "id": "7", "compute": "scripted", "params": {"name": 1}}, "invalid_params", "7"),
        ({"action": "request", "id": "7", "compute": "scripted", "params": {"colour": "red"}}, "invalid_params", "7"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_has_its_code_and_costs_no_job(
    stack: Stack, message: object, code: str, request_id: str | None
) -> None:
    frame = stack.send(message)
    assert (frame["type"], frame.get("id"), frame["error"]["code"]) == ("error", request_id, code)
    assert stack.receive() == []


def test_hello_is_welcome(stack: Stack) -> None:
    assert stack.send({"action": "hello", "id": "1"})["type"] == "welcome"


def test_what_happened_is_printed_as_metrics(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.ask()
    stack.compute()
    stack.ask("2")
    time.sleep(0.15)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    names = {name for line in printed for metric in line["_aws"]["CloudWatchMetrics"] for name in _names(metric)}
    assert {"CacheMiss", "CacheHit", "Push"} <= names
    assert {metric["Namespace"] for line in printed for metric in line["_aws"]["CloudWatchMetrics"]} == {"Pushaside"}


def _names(directive: dict) -> list[str]:
    return [metric["Name"] for metric in directive["Metrics"]]
