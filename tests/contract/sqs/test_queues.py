"""Jobs, deliveries and redelivery times on SQS: what is sent is received, and what is not taken is said."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from push.adapters.sqs.deliveries import SqsDeliveries
from push.adapters.sqs.jobs import SqsJobs
from push.adapters.sqs.redelivery import SqsRedelivery
from push.cache.jobs import Outgoing, Waiter, parse_job, with_guardian
from push.delivery.deliveries import Delivery, parse_delivery
from push.errors import QueueUnavailableError
from tests.builders.results import make_job
from tests.servers.valkey import free_port


def sqs_client(url: str) -> Any:
    return boto3.client(
        "sqs",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5),
    )


@pytest.fixture
def sqs(aws_url: str) -> Iterator[Any]:
    client = sqs_client(aws_url)
    yield client
    client.close()


@pytest.fixture
def queue_url(sqs: Any) -> str:
    return sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex}")["QueueUrl"]


def receive(sqs: Any, queue_url: str) -> list[dict[str, Any]]:
    """Receive all that can be seen now."""
    found: list[dict[str, Any]] = []
    while batch := sqs.receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], WaitTimeSeconds=0
    ).get("Messages"):
        found += batch
    return found


def waiting(sqs: Any, queue_url: str) -> tuple[int, int]:
    """Return how many messages can be seen now, and how many later."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    counts = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return int(counts[names[0]]), int(counts[names[1]])


def test_a_job_is_received_at_once_and_its_guardian_later(sqs: Any, queue_url: str) -> None:
    job = make_job(params=b'{"text":"\xc3\xbc"}', waiter=Waiter("ann=", "1"), deadline_ms=5)
    SqsJobs(sqs, queue_url).send(with_guardian(job))
    assert waiting(sqs, queue_url) == (1, 1)
    (message,) = receive(sqs, queue_url)
    assert parse_job(message["Body"]) == job


def test_jobs_are_grouped_by_tenant_so_that_none_starves(sqs: Any, queue_url: str, monkeypatch: Any) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(sqs, "send_message_batch", lambda **call: calls.append(call) or {})
    SqsJobs(sqs, queue_url).send([Outgoing(make_job(tenant="acme")), Outgoing(make_job(tenant="globex"))])
    assert [entry["MessageGroupId"] for entry in calls[0]["Entries"]] == ["acme", "globex"]


@pytest.mark.parametrize("text", ["\uffff", "\ufffe", "\U0001f600", "\\uffff", '\\"\uffff'])
def test_any_text_goes_through_the_queue(sqs: Any, queue_url: str, text: str) -> None:
    waiter = Waiter("ann=", text)
    SqsJobs(sqs, queue_url).send([Outgoing(make_job(waiter=waiter))])
    (message,) = receive(sqs, queue_url)
    assert parse_job(message["Body"]).waiter == waiter


def test_a_job_of_a_whole_message_of_params_is_taken(sqs: Any, queue_url: str) -> None:
    SqsJobs(sqs, queue_url).send(with_guardian(make_job(params=b'{"text":"' + b"x" * 120_000 + b'"}')))
    assert waiting(sqs, queue_url) == (1, 1)


def test_a_queue_that_is_not_there_takes_no_job(sqs: Any, queue_url: str) -> None:
    with pytest.raises(QueueUnavailableError):
        SqsJobs(sqs, f"{queue_url}-not").send([Outgoing(make_job())])


def test_a_service_that_does_not_answer_takes_no_job() -> None:
    client = sqs_client(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(QueueUnavailableError):
        SqsJobs(client, "http://127.0.0.1/queue").send([Outgoing(make_job())])


def test_a_job_that_is_refused_among_others_is_said(sqs: Any, queue_url: str, monkeypatch: Any) -> None:
    failed = {"Failed": [{"Id": "1", "SenderFault": False, "Code": "InternalError"}]}
    monkeypatch.setattr(sqs, "send_message_batch", lambda **_call: failed)
    with pytest.raises(QueueUnavailableError, match="InternalError"):
        SqsJobs(sqs, queue_url).send(with_guardian(make_job()))


def test_a_message_that_was_hidden_comes_back_after_its_time(sqs: Any, queue_url: str) -> None:
    SqsJobs(sqs, queue_url).send([Outgoing(make_job(token=token)) for token in ("soon", "later")])
    received = {parse_job(each["Body"]).token: each["ReceiptHandle"] for each in receive(sqs, queue_url)}
    SqsRedelivery(sqs, queue_url).hide({received["soon"]: 0, received["later"]: 60})
    (again,) = receive(sqs, queue_url)
    assert parse_job(again["Body"]).token == "soon"
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_message_that_can_not_be_hidden_harms_no_other_and_is_logged(
    sqs: Any, queue_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    SqsJobs(sqs, queue_url).send([Outgoing(make_job())])
    (received,) = receive(sqs, queue_url)
    SqsRedelivery(sqs, queue_url).hide({"no receipt": 0, received["ReceiptHandle"]: 0})
    assert "a message is redelivered after the queue's own visibility timeout" in caplog.text
    assert len(receive(sqs, queue_url)) == 1


def test_a_service_that_does_not_answer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    client = sqs_client(f"http://127.0.0.1:{free_port()}")
    SqsRedelivery(client, "http://127.0.0.1/queue").hide({"receipt": 1})
    assert "messages are redelivered after the queue's own visibility timeout" in caplog.text


async def test_deliveries_are_sent_in_as_many_calls_as_they_need(sqs: Any, queue_url: str) -> None:
    deliveries = [Delivery(f"{number}=", "{}", 5, attempt=2) for number in range(25)]
    await SqsDeliveries(sqs, queue_url).send(deliveries, 0)
    bodies = [parse_delivery(each["Body"]) for each in receive(sqs, queue_url)]
    assert sorted(bodies, key=lambda each: int(each.connection_id[:-1])) == deliveries


async def test_deliveries_wait_as_long_as_they_are_told_to(sqs: Any, queue_url: str) -> None:
    await SqsDeliveries(sqs, queue_url).send([Delivery("ann=", "{}", 5)], 60)
    assert waiting(sqs, queue_url) == (0, 1)


async def test_no_call_is_larger_than_sqs_takes(sqs: Any, queue_url: str, monkeypatch: Any) -> None:
    calls: list[int] = []

    def measured(**call: Any) -> Any:
        calls.append(sum(len(entry["MessageBody"].encode()) for entry in call["Entries"]))
        return {}

    monkeypatch.setattr(sqs, "send_message_batch", measured)
    frame = random.Random(1).randbytes(200_000).hex()
    await SqsDeliveries(sqs, queue_url).send([Delivery(f"{number}=", frame, 5) for number in range(9)], 0)
    assert max(calls) <= 1024 * 1024
    assert len(calls) == 3


async def test_nothing_to_deliver_is_no_call(sqs: Any, monkeypatch: Any) -> None:
    await SqsDeliveries(sqs, "http://127.0.0.1/nowhere").send([], 0)


async def test_a_queue_that_is_not_there_takes_no_delivery(sqs: Any, queue_url: str) -> None:
    with pytest.raises(QueueUnavailableError):
        await SqsDeliveries(sqs, f"{queue_url}-not").send([Delivery("ann=", "{}", 5)], 0)
