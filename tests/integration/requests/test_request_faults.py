"""Requests through deaths, duplicates, disorder, lost services and refused pushes: everybody is answered."""

from __future__ import annotations

import json

import pytest

from push.cache.jobs import Job, serialize_job
from tests.integration.requests.scripted_computes import runs
from tests.integration.requests.stacks import Stack, job_of
from tests.servers import queues


def codes(frames: list[dict]) -> list[str]:
    return [frame["error"]["code"] for frame in frames if frame["type"] == "error"]


def runs_told(frames: list[dict]) -> list[int]:
    return [frame["data"]["run"] for frame in frames if frame["type"] == "result"]


def asked(stack: Stack, **request: object) -> tuple[dict, Job]:
    """Ask, and receive the job."""
    assert stack.ask(**request)["type"] == "accepted"
    (record,) = stack.receive()
    return record, job_of(record)


# ---------------------------------------------------------------- queue messages


def test_a_message_delivered_twice_costs_no_second_compute(stack: Stack) -> None:
    record, job = asked(stack)
    assert stack.compute([record, stack.record_of(job)]) == []
    assert stack.compute([stack.record_of(job)]) == []
    assert runs["acme", ""] == [1]


def test_a_guardian_that_comes_first_does_the_work(stack: Stack) -> None:
    record, job = asked(stack)
    assert stack.compute([stack.record_of(job.guardian())]) == []
    assert runs_told(stack.pushed()) == [1]
    assert stack.compute([record]) == []
    assert len(runs["acme", ""]) == 1


def test_a_guardian_that_was_not_needed_does_nothing(stack: Stack) -> None:
    record, job = asked(stack)
    stack.compute([record])
    assert stack.compute([stack.record_of(job.guardian())]) == []
    assert len(stack.pushed()) == 1


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "{}",
        '{"kind":"request","tenant":"acme","compute":"unheard-of","params":{},"token":"t"}',
        '{"kind":"request","tenant":"acme","compute":"scripted","params":{"name":1},"token":"t"}',
    ],
)
def test_a_malformed_job_fails_alone(stack: Stack, body: str) -> None:
    record, _ = asked(stack)
    malformed = stack.record_of(body)
    assert stack.compute([malformed, record]) == [malformed["messageId"]]
    assert runs_told(stack.pushed()) == [1]


# ---------------------------------------------------------------- deaths


def test_after_a_death_while_computing_the_guardian_takes_over(stack: Stack) -> None:
    _, job = asked(stack)
    stack.ask("2", connection_id="ben=")
    stack.take_lease(job)
    stack.end_lease(job)
    assert stack.compute([stack.record_of(job.guardian())]) == []
    assert runs_told(stack.pushed("ann=")) == runs_told(stack.pushed("ben=")) == [1]
    assert runs["acme", ""] == [2]


def test_while_somebody_works_the_guardian_looks_again_later(stack: Stack) -> None:
    _, job = asked(stack)
    stack.take_lease(job)
    assert stack.compute([stack.record_of(job.guardian())]) == []
    assert stack.pushed() == []
    names = ["ApproximateNumberOfMessagesDelayed"]
    counts = stack.sqs.get_queue_attributes(QueueUrl=stack.queues["compute"], AttributeNames=names)["Attributes"]
    assert counts["ApproximateNumberOfMessagesDelayed"] == "2"


def test_after_a_death_between_fill_and_answer_everybody_is_answered_without_computing(stack: Stack) -> None:
    record, job = asked(stack)
    stack.management.always["ann="] = 429
    stack.configure(DELIVERY_QUEUE_URL=stack.queues["delivery"] + "-not")
    stack.compute([record])
    stack.configure(DELIVERY_QUEUE_URL=stack.queues["delivery"])
    stack.management.always.clear()
    assert (stack.waiting(job), stack.pushed()) == (1, [])
    stack.end_lease(job)
    assert stack.compute([stack.record_of(job.guardian())]) == []
    assert runs_told(stack.pushed()) == [1]
    assert runs["acme", ""] == [1]


def test_after_three_deaths_everybody_is_told(stack: Stack) -> None:
    _, job = asked(stack)
    stack.ask("2", connection_id="ben=")
    guardian = job.guardian()
    for _ in range(2):
        stack.take_lease(job)
        stack.end_lease(job)
        guardian = guardian.next_attempt()
    assert stack.compute([stack.record_of(guardian)]) == []
    assert codes(stack.pushed("ann=")) == codes(stack.pushed("ben=")) == ["compute_failed"]
    assert stack.waiting(job) == 0


def test_who_was_told_of_a_failure_may_ask_again(stack: Stack) -> None:
    _, job = asked(stack)
    stack.compute([stack.record_of(job.guardian().next_attempt().next_attempt())])
    assert stack.ask("2")["type"] == "accepted"
    stack.compute()
    assert runs_told(stack.pushed()) == [1]


def test_a_dead_letter_is_told_to_everybody_who_waits(stack: Stack) -> None:
    _, job = asked(stack)
    stack.ask("2", connection_id="ben=")
    assert stack.notify([stack.record_of(job, "dead")]) == []
    assert codes(stack.pushed("ann=")) == codes(stack.pushed("ben=")) == ["compute_failed"]
    assert stack.waiting(job) == 0


# ---------------------------------------------------------------- Redis and SQS


def test_a_dead_letter_comes_back_soon_while_redis_is_away(stack: Stack, nowhere: str) -> None:
    _, job = asked(stack)
    stack.configure(CACHE_URL=f"redis://{nowhere}/0")
    received = queues.send(stack.sqs, stack.queues["dead"], serialize_job(job))
    assert stack.notify(received) == [received[0]["messageId"]]
    (again,) = stack.wait_for("dead")
    assert queues.receive_count(again) == 2


def test_a_message_that_is_no_request_of_this_version_comes_back_soon(stack: Stack) -> None:
    """Another version may be on its way, or was taken back; in the end it lies with the dead letters."""
    received = queues.send(stack.sqs, stack.queues["request"], "no request")
    assert stack.look(received) == [received[0]["messageId"]]
    (again,) = stack.wait_for("request")
    assert queues.receive_count(again) == 2


@pytest.mark.parametrize("query", ["", "?cluster=true"])
def test_without_redis_requests_are_accepted_computed_and_pushed(stack: Stack, nowhere: str, query: str) -> None:
    stack.configure(CACHE_URL=f"redis://{nowhere}/0{query}", CACHE_TIMEOUT_MS="50")
    for number in range(3):
        assert stack.ask(str(number))["type"] == "accepted"
    while records := stack.receive():
        assert stack.compute(records) == []
    assert sorted(frame["id"] for frame in stack.pushed()) == ["0", "1", "2"]


def test_redis_lost_after_the_parking_costs_the_one_who_came_with_the_job_no_answer(stack: Stack, nowhere: str) -> None:
    record, _ = asked(stack)
    stack.configure(CACHE_URL=f"redis://{nowhere}/0", CACHE_TIMEOUT_MS="50")
    assert stack.compute([record]) == []
    assert runs_told(stack.pushed()) == [1]


def test_redis_flushed_after_the_parking_costs_the_one_who_came_with_the_job_no_answer(stack: Stack) -> None:
    first, _ = asked(stack)
    stack.redis.run("FLUSHALL")
    second, _ = asked(stack, request_id="2", connection_id="ben=")
    assert stack.compute([second]) == []
    assert stack.compute([first]) == []
    assert runs_told(stack.pushed("ann=")) == runs_told(stack.pushed("ben=")) == [1]


def test_redis_found_again_answers_those_who_could_not_be_parked(stack: Stack, nowhere: str) -> None:
    stack.configure(CACHE_URL=f"redis://{nowhere}/0", CACHE_TIMEOUT_MS="50")
    unparked, _ = asked(stack)
    stack.configure(CACHE_URL=stack.redis_url, CACHE_TIMEOUT_MS="2000")
    _, job = asked(stack, request_id="2", connection_id="ben=")
    stack.take_lease(job)
    assert stack.compute([unparked]) == []
    assert stack.waiting(job) == 2


def test_without_sqs_nothing_is_accepted_and_nothing_left_parked(stack: Stack, nowhere: str) -> None:
    stack.configure(AWS_ENDPOINT_URL_SQS=f"http://{nowhere}")
    frame = stack.ask("7")
    assert (frame["id"], frame["error"]["code"], frame["error"]["retryable"]) == ("7", "internal", True)
    assert stack.redis.run("KEYS", "*") == []
    stack.configure(AWS_ENDPOINT_URL_SQS=stack.aws.url)
    assert stack.ask("7")["type"] == "accepted"
    stack.compute()
    assert runs_told(stack.pushed()) == [1]


# ---------------------------------------------------------------- pushes


@pytest.mark.parametrize("client", ["lean", "boto3"])
def test_a_gone_connection_is_removed(stack: Stack, client: str) -> None:
    stack.configure(MANAGEMENT_CLIENT=client)
    for name in ("ann=", "ben="):
        row = {"connection_id": {"S": name}, "tenant": {"S": "acme"}}
        stack.aws.client("dynamodb").put_item(TableName=stack.aws.tables["connections"], Item=row)
    stack.management.always["ann="] = 410
    record, job = asked(stack)
    stack.ask("2", connection_id="ben=")
    assert stack.compute([record]) == []
    assert [row["connection_id"]["S"] for row in stack.aws.rows("connections")] == ["ben="]
    assert stack.waiting(job) == 0
    assert runs_told(stack.pushed("ben=")) == [1]


@pytest.mark.parametrize("status", [429, 500])
def test_a_push_refused_for_now_is_delivered_later(stack: Stack, status: int) -> None:
    stack.management.always["ann="] = status
    record, job = asked(stack)
    assert stack.compute([record]) == []
    assert stack.waiting(job) == 0
    (delivery,) = stack.wait_for("delivery")
    assert stack.notify([delivery]) == []
    stack.management.always.clear()
    (again,) = stack.wait_for("delivery")
    assert stack.notify([again]) == []
    assert runs_told(stack.pushed()) == [1]
    assert json.loads(again["body"])["attempt"] == 3


def test_a_push_refused_for_good_is_given_up(stack: Stack) -> None:
    stack.management.always["ann="] = 403
    record, job = asked(stack)
    assert stack.compute([record]) == []
    assert stack.waiting(job) == 0
    assert stack.receive("delivery") == []


def test_a_delivery_of_another_version_is_dropped_and_harms_no_other(stack: Stack) -> None:
    stack.management.behaviours["ann="] = [429]
    stack.compute([asked(stack)[0]])
    (delivery,) = stack.wait_for("delivery")
    assert stack.notify([stack.record_of("no json", "delivery"), delivery]) == []
    assert runs_told(stack.pushed()) == [1]
