"""Documents that fit no queue message: kept in S3, their names sent through SQS, and had back by who receives them."""

from __future__ import annotations

import dataclasses
import random
import string
import uuid
from typing import Any

import boto3
import pytest
from botocore.config import Config

from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.sqs.jobs import SqsJobs
from push.cache.jobs import Outgoing, parse_job, with_guardian
from push.errors import ErrorCode, QueueUnavailableError, RequestError, TransientError
from push.queues.bodies import INLINE_BYTES, claimed_name, make_claim_check
from tests.builders.results import make_job
from tests.servers.aws import CREDENTIALS, Aws
from tests.servers.valkey import free_port


def client(service: str, url: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5)
    return boto3.client(service, endpoint_url=url, config=config, **CREDENTIALS)


@pytest.fixture
def s3(aws_url: str) -> Any:
    return client("s3", aws_url)


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"bucket-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def bodies(aws: Aws, bucket: str) -> ClaimChecks:
    return ClaimChecks(bucket, aws.client)


@pytest.fixture
def away(aws: Aws) -> ClaimChecks:
    return ClaimChecks("bucket", dataclasses.replace(aws, url=f"http://127.0.0.1:{free_port()}").client)


def no_client(_service: str) -> Any:
    raise AssertionError("a client was made")


def large(size: int = 2 * INLINE_BYTES) -> str:
    """Return a document that is too large for a message however it is compressed."""
    letters = random.Random(1).choices(string.ascii_letters + string.digits, k=size)
    return '{"text":"' + "".join(letters) + 'ä"}'


def objects(s3: Any, bucket: str) -> list[dict[str, Any]]:
    return s3.list_objects_v2(Bucket=bucket).get("Contents", [])


async def test_a_large_document_is_kept_and_had_back(bodies: ClaimChecks, s3: Any, bucket: str) -> None:
    document = large()
    body = bodies.pack(document)
    assert len(body) < 100
    (kept,) = objects(s3, bucket)
    assert kept["Key"].startswith("payloads/queue/")
    assert kept["Size"] < len(document)
    assert await bodies.unpack(body) == document


async def test_nobody_pays_for_s3_who_sends_nothing_large() -> None:
    bodies = ClaimChecks("bucket", no_client)
    for document in ('{"a":1}', '{"text":"' + "x" * 10_000_000 + '"}'):
        assert await bodies.unpack(bodies.pack(document)) == document


async def test_what_fits_a_message_is_not_kept(bodies: ClaimChecks, s3: Any, bucket: str) -> None:
    document = large(INLINE_BYTES - 100)
    assert await bodies.unpack(bodies.pack(document)) == document
    assert objects(s3, bucket) == []


async def test_a_job_of_megabytes_and_its_guardian_go_through_the_queue(
    bodies: ClaimChecks, aws_url: str, s3: Any, bucket: str
) -> None:
    sqs = client("sqs", aws_url)
    queue_url = sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex}")["QueueUrl"]
    job = make_job(params=large(4_000_000).encode())
    first, guardian = with_guardian(job)
    SqsJobs(sqs, queue_url, bodies).send([first, Outgoing(guardian.job)])
    received = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)["Messages"]
    jobs = [parse_job(await bodies.unpack(each["Body"])) for each in received]
    assert sorted(jobs, key=lambda each: each.kind, reverse=True) == [job, guardian.job]
    assert len(objects(s3, bucket)) == 2


async def test_jobs_that_just_fit_are_sent_in_one_call(bodies: ClaimChecks, aws_url: str) -> None:
    sqs = client("sqs", aws_url)
    queue_url = sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex}")["QueueUrl"]
    calls: list[int] = []
    sqs.meta.events.register("before-call.sqs.SendMessageBatch", lambda **_call: calls.append(1))
    SqsJobs(sqs, queue_url, bodies).send(with_guardian(make_job(params=large(INLINE_BYTES - 1000).encode())))
    assert calls == [1]


def test_what_s3_does_not_take_is_not_accepted(away: ClaimChecks) -> None:
    with pytest.raises(QueueUnavailableError):
        away.pack(large())
    with pytest.raises(QueueUnavailableError):
        SqsJobs(None, "http://127.0.0.1/queue", away).send([Outgoing(make_job(params=large().encode()))])


async def test_what_s3_does_not_return_now_is_asked_for_again(away: ClaimChecks) -> None:
    with pytest.raises(TransientError):
        await away.unpack(make_claim_check(claimed_name(str(uuid.uuid4()))))


async def test_what_is_no_longer_kept_is_said_to_be_gone(bodies: ClaimChecks) -> None:
    with pytest.raises(RequestError, match="has expired") as caught:
        await bodies.unpack(make_claim_check(claimed_name(str(uuid.uuid4()))))
    assert caught.value.code is ErrorCode.NOT_FOUND


async def test_an_object_that_is_no_document_is_refused(bodies: ClaimChecks, s3: Any, bucket: str) -> None:
    name = claimed_name(str(uuid.uuid4()))
    s3.put_object(Bucket=bucket, Key=name, Body=b"no zstd")
    with pytest.raises(RequestError):
        await bodies.unpack(make_claim_check(name))


async def test_nothing_else_of_the_bucket_is_read(s3: Any, bucket: str) -> None:
    with pytest.raises(RequestError):
        await ClaimChecks(bucket, no_client).unpack(make_claim_check("documents/acme/cities/berlin.json"))
