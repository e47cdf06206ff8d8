"""The queues of durable requests on SQS: what is sent is received, whatever its size."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import pytest

from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.sqs.requests import SqsRequests, SqsWebhooks
from push.computes import Tenant
from push.durable.requests import Deliver, QueuedRequest, WebhookJob, parse_queued_request, parse_webhook_job
from push.errors import QueueUnavailableError, RequestError
from push.queues.bodies import decode_body
from tests.builders.results import NOW_MS
from tests.servers.aws import Aws


@pytest.fixture
def sqs(aws: Aws) -> Any:
    return aws.client("sqs")


@pytest.fixture
def queue_url(sqs: Any) -> str:
    return sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex}")["QueueUrl"]


def make_request(text: str = "", request_id: str = "1") -> QueuedRequest:
    params = msgspec.Raw(msgspec.json.encode({"text": text}))
    deliver = Deliver(poll=True)
    return QueuedRequest(Tenant("acme"), "ada", request_id, "echo", params, deliver, NOW_MS, NOW_MS + 900_000)


def receive(sqs: Any, queue_url: str) -> list[str]:
    """Receive the bodies of all that can be seen now."""
    found: list[str] = []
    while batch := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages"):
        found += [each["Body"] for each in batch]
    return found


@pytest.mark.parametrize("text", ["", "\uffff\ufffe", "\x00é\U0001f600", "x" * 100_000], ids=ascii)
def test_a_request_is_received_as_it_was_sent(sqs: Any, queue_url: str, text: str) -> None:
    request = make_request(text, request_id=text[:10] or "1")
    SqsRequests(sqs, queue_url).send([(request, 0)])
    (body,) = receive(sqs, queue_url)
    found = parse_queued_request(decode_body(body))
    assert (found.id, found.fingerprint) == (request.id, request.fingerprint)


async def test_a_request_that_fits_no_message_is_received_all_the_same(aws: Aws, sqs: Any, queue_url: str) -> None:
    text = uuid.uuid4().hex + "".join(uuid.uuid4().hex for _ in range(65_536))
    bodies = ClaimChecks(aws.bucket, aws.client)
    SqsRequests(sqs, queue_url, bodies).send([(make_request(text), 0)])
    (body,) = receive(sqs, queue_url)
    assert len(body) < 100
    assert msgspec.json.decode(parse_queued_request(await bodies.unpack(body)).params) == {"text": text}


def test_what_is_larger_than_anything_may_be_is_refused(sqs: Any, queue_url: str) -> None:
    with pytest.raises(RequestError, match="exceeds 16777216 bytes"):
        SqsRequests(sqs, queue_url).send([(make_request("x" * 17_000_000), 0)])


def test_each_waits_as_long_as_it_is_told_to(sqs: Any, queue_url: str) -> None:
    SqsRequests(sqs, queue_url).send([(make_request(request_id="now"), 0), (make_request(request_id="later"), 300)])
    assert [parse_queued_request(body).id for body in receive(sqs, queue_url)] == ["now"]


def test_requests_are_grouped_by_tenant_so_that_none_starves(sqs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(sqs, "send_message_batch", lambda **call: calls.append(call) or {})
    SqsRequests(sqs, "url").send([(make_request(), 0)])
    assert [entry["MessageGroupId"] for entry in calls[0]["Entries"]] == ["acme"]


def test_a_queue_that_is_not_there_takes_no_request(sqs: Any, queue_url: str) -> None:
    with pytest.raises(QueueUnavailableError):
        SqsRequests(sqs, f"{queue_url}-not").send([(make_request(), 0)])


async def test_webhook_jobs_are_sent_in_as_many_calls_as_they_need(sqs: Any, queue_url: str) -> None:
    jobs = [WebhookJob(Tenant("acme"), str(number), attempt=2, not_before_ms=5) for number in range(25)]
    await SqsWebhooks(sqs, queue_url).send(jobs)
    found = [parse_webhook_job(body) for body in receive(sqs, queue_url)]
    assert sorted(found, key=lambda job: int(job.id)) == jobs


async def test_a_webhook_queue_that_is_not_there_takes_no_job(sqs: Any, queue_url: str) -> None:
    with pytest.raises(QueueUnavailableError):
        await SqsWebhooks(sqs, f"{queue_url}-not").send([WebhookJob(Tenant("acme"), "1")])
