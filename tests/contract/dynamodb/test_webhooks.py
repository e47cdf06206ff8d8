"""Attempts and failing webhooks, in DynamoDB and in the stand-ins that other tests use."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from backports import zstd
from msgspec.structs import replace

from push.adapters.dynamodb.attempts import DynamoDbAttempts
from push.adapters.dynamodb.webhooks import DynamoDbWebhooks
from push.computes import Tenant
from push.durable.ports import DeliveryAttempts, WebhookEndpoints
from push.durable.requests import Attempt, DeliveryState, RequestRecord, RequestStatus, WebhookJob
from push.durable.webhook_delivering import KEPT_ATTEMPTS
from push.durable.webhook_endpoints import TRIAL_AFTER_MS, FailingEndpoint
from push.errors import TransientError
from tests.builders.results import NOW_MS
from tests.builders.webhooks import URL, make_record
from tests.fakes.webhooks import FakeAttempts, FakeEndpoints
from tests.servers.aws import Aws

ACME = Tenant("acme")
UNTIL_MS = NOW_MS + 30_000
FAILED = Attempt(NOW_MS, 12, 500, "The receiver answered 500.")

Put = Callable[[RequestRecord], None]


def row(record: RequestRecord) -> dict[str, Any]:
    """A row as it is once its request is settled."""
    item: dict[str, Any] = {
        "request": {"S": record.name},
        "principal": {"S": record.principal},
        "status": {"S": record.status},
        "compute": {"S": record.compute},
        "fingerprint": {"S": record.fingerprint},
        "deliver": {"S": msgspec.json.encode(record.deliver).decode()},
        "accepted_at": {"N": str(record.accepted_at_ms)},
        "deadline_at": {"N": str(record.deadline_at_ms)},
        "settled_at": {"N": str(record.settled_at_ms)},
        "attempt_count": {"N": str(record.attempt_count)},
        "answer": {"B": zstd.compress(record.answer or b"")},
    }
    if record.delivery is not DeliveryState.WAITING:
        item["delivery"] = {"S": record.delivery}
    if record.attempt_until_ms:
        item["attempt_until"] = {"N": str(record.attempt_until_ms)}
    return item


@pytest.fixture(params=["fake", "lean", "boto3"])
def attempts_and_put(request: pytest.FixtureRequest) -> tuple[DeliveryAttempts, Put]:
    if request.param == "fake":
        fake = FakeAttempts()
        return fake, fake.put
    aws: Aws = request.getfixturevalue(f"aws_by_{request.param}")
    client, table = aws.client("dynamodb"), aws.tables["requests"]
    return DynamoDbAttempts(client, table), lambda record: client.put_item(TableName=table, Item=row(record))


@pytest.fixture
def attempts(attempts_and_put: tuple[DeliveryAttempts, Put]) -> DeliveryAttempts:
    return attempts_and_put[0]


@pytest.fixture
def put(attempts_and_put: tuple[DeliveryAttempts, Put]) -> Put:
    return attempts_and_put[1]


def job(attempt: int = 1) -> WebhookJob:
    return WebhookJob(ACME, "request-1", attempt, principal="ada")


class TestAttempts:
    async def test_a_claim_returns_the_record_with_its_answer(self, attempts: DeliveryAttempts, put: Put) -> None:
        put(make_record())
        claimed = await attempts.claim(job(), NOW_MS, UNTIL_MS)
        assert claimed == replace(make_record(), attempt_count=1, attempt_until_ms=UNTIL_MS)
        assert claimed == await attempts.read(job())

    async def test_an_attempt_is_claimed_once(self, attempts: DeliveryAttempts, put: Put) -> None:
        put(make_record())
        assert await attempts.claim(job(), NOW_MS, UNTIL_MS)
        assert await attempts.claim(job(), UNTIL_MS - 1, UNTIL_MS + 30_000) is None

    async def test_and_again_when_its_time_has_passed(self, attempts: DeliveryAttempts, put: Put) -> None:
        put(make_record())
        await attempts.claim(job(), NOW_MS, UNTIL_MS)
        again = await attempts.claim(job(), UNTIL_MS, UNTIL_MS + 30_000)
        assert again is not None
        assert again.attempt_count == 1

    async def test_but_not_when_it_has_ended(self, attempts: DeliveryAttempts, put: Put) -> None:
        put(make_record())
        claimed = await attempts.claim(job(), NOW_MS, UNTIL_MS)
        assert claimed is not None
        assert await attempts.end(claimed, FAILED, DeliveryState.RETRYING, NOW_MS + 5000)
        assert await attempts.claim(job(), UNTIL_MS, UNTIL_MS + 30_000) is None
        assert await attempts.claim(job(2), UNTIL_MS, UNTIL_MS + 30_000)

    @pytest.mark.parametrize(
        ("record", "attempt"),
        [
            (make_record(attempt_count=2), 2),
            (make_record(attempt_count=2), 4),
            (make_record(attempt_count=2), 1),
            (make_record(status=RequestStatus.PENDING), 1),
            (make_record(attempt_count=1, delivery=DeliveryState.DELIVERED), 2),
            (make_record(id="another"), 1),
        ],
        ids=["made", "not yet", "long made", "not settled", "delivered", "unknown"],
    )
    async def test_what_is_not_next_cannot_be_claimed(
        self, attempts: DeliveryAttempts, put: Put, record: RequestRecord, attempt: int
    ) -> None:
        put(record)
        assert await attempts.claim(job(attempt), NOW_MS, UNTIL_MS) is None

    async def test_the_attempt_after_the_last_one_can(self, attempts: DeliveryAttempts, put: Put) -> None:
        put(make_record(attempt_count=7, delivery=DeliveryState.FAILED))
        assert await attempts.claim(job(8), NOW_MS, UNTIL_MS)

    async def test_what_came_of_an_attempt_is_recorded(self, attempts: DeliveryAttempts, put: Put) -> None:
        put(make_record())
        first = await attempts.claim(job(), NOW_MS, UNTIL_MS)
        assert first is not None
        await attempts.end(first, FAILED, DeliveryState.RETRYING, NOW_MS + 5000)
        record = await attempts.read(job())
        assert record is not None
        assert (record.delivery, record.attempts, record.attempt_until_ms) == (DeliveryState.RETRYING, (FAILED,), 0)
        assert record.next_attempt_at_ms == NOW_MS + 5000
        second = await attempts.claim(job(2), NOW_MS, UNTIL_MS)
        assert second is not None
        await attempts.end(second, Attempt(NOW_MS, 3, error="lost"), DeliveryState.DELIVERED, None)
        record = await attempts.read(job())
        assert record is not None
        assert (record.delivery, record.next_attempt_at_ms) == (DeliveryState.DELIVERED, None)
        assert record.attempts == (FAILED, Attempt(NOW_MS, 3, error="lost"))

    async def test_only_the_newest_are_kept(self, attempts: DeliveryAttempts, put: Put) -> None:
        put(make_record())
        for attempt in range(1, KEPT_ATTEMPTS + 3):
            claimed = await attempts.claim(job(attempt), NOW_MS, UNTIL_MS)
            assert claimed is not None
            await attempts.end(claimed, replace(FAILED, took_ms=attempt), DeliveryState.RETRYING, NOW_MS)
        record = await attempts.read(job())
        assert record is not None
        assert [each.took_ms for each in record.attempts] == list(range(3, KEPT_ATTEMPTS + 3))

    async def test_who_lost_the_attempt_records_nothing(self, attempts: DeliveryAttempts, put: Put) -> None:
        put(make_record())
        first = await attempts.claim(job(), NOW_MS, UNTIL_MS)
        second = await attempts.claim(job(), UNTIL_MS, UNTIL_MS + 30_000)
        assert first is not None
        assert second is not None
        assert not await attempts.end(first, FAILED, DeliveryState.RETRYING, NOW_MS)
        assert await attempts.end(second, FAILED, DeliveryState.RETRYING, NOW_MS)
        assert not await attempts.end(second, FAILED, DeliveryState.RETRYING, NOW_MS)

    async def test_an_unknown_request_has_no_record(self, attempts: DeliveryAttempts) -> None:
        assert await attempts.read(WebhookJob(ACME, "nobody's")) is None


def test_of_claims_at_once_one_succeeds(aws: Aws) -> None:
    client, table = aws.client("dynamodb"), aws.tables["requests"]
    client.put_item(TableName=table, Item=row(make_record()))
    attempts = DynamoDbAttempts(client, table)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda each: attempts._claim(job(), NOW_MS, UNTIL_MS + each), range(8)))
    assert sum(claim is not None for claim in claims) == 1


async def test_a_table_that_is_not_there_is_transient(aws: Aws) -> None:
    attempts = DynamoDbAttempts(aws.client("dynamodb"), "nowhere")
    with pytest.raises(TransientError):
        await attempts.claim(job(), NOW_MS, UNTIL_MS)
    with pytest.raises(TransientError):
        await attempts.read(job())
    with pytest.raises(TransientError):
        await attempts.end(make_record(), FAILED, DeliveryState.FAILED, None)


@pytest.fixture(params=["fake", "lean", "boto3"])
def endpoints(request: pytest.FixtureRequest) -> WebhookEndpoints:
    if request.param == "fake":
        return FakeEndpoints()
    aws: Aws = request.getfixturevalue(f"aws_by_{request.param}")
    return DynamoDbWebhooks(aws.client("dynamodb"), aws.tables["webhooks"])


class TestEndpoints:
    async def test_nothing_is_known_of_a_url_that_never_failed(self, endpoints: WebhookEndpoints) -> None:
        assert await endpoints.read(ACME, URL) is None
        assert endpoints.read_disabled(ACME, URL, NOW_MS) is None

    async def test_failures_are_counted_from_the_first(self, endpoints: WebhookEndpoints) -> None:
        await endpoints.note_failure(ACME, URL, NOW_MS)
        known = await endpoints.note_failure(ACME, URL, NOW_MS + 1000)
        assert known == FailingEndpoint(URL, NOW_MS, 2)
        assert await endpoints.read(ACME, URL) == known

    async def test_a_success_forgets_them(self, endpoints: WebhookEndpoints) -> None:
        await endpoints.note_failure(ACME, URL, NOW_MS)
        await endpoints.note_success(ACME, URL)
        assert await endpoints.read(ACME, URL) is None

    async def test_a_url_is_disabled_once_and_says_why(self, endpoints: WebhookEndpoints) -> None:
        await endpoints.note_failure(ACME, URL, NOW_MS)
        assert await endpoints.disable(ACME, URL, "It is gone.", NOW_MS)
        assert not await endpoints.disable(ACME, URL, "Again.", NOW_MS + 1)
        assert endpoints.read_disabled(ACME, URL, NOW_MS) == FailingEndpoint(URL, NOW_MS, 1, NOW_MS, "It is gone.")

    async def test_a_url_that_just_worked_is_not_disabled(self, endpoints: WebhookEndpoints) -> None:
        await endpoints.note_failure(ACME, URL, NOW_MS)
        await endpoints.note_success(ACME, URL)
        assert not await endpoints.disable(ACME, URL, "Late.", NOW_MS)
        assert await endpoints.read(ACME, URL) is None

    async def test_after_its_time_a_disabled_url_may_be_used_for_one_trial(self, endpoints: WebhookEndpoints) -> None:
        await endpoints.note_failure(ACME, URL, NOW_MS)
        await endpoints.disable(ACME, URL, "It failed.", NOW_MS)
        later_ms = NOW_MS + TRIAL_AFTER_MS
        assert endpoints.read_disabled(ACME, URL, later_ms - 1) is not None
        assert endpoints.read_disabled(ACME, URL, later_ms) is None
        known = await endpoints.read(ACME, URL)
        assert known is not None
        assert await endpoints.begin_trial(ACME, known, later_ms)
        assert not await endpoints.begin_trial(ACME, known, later_ms)
        assert endpoints.read_disabled(ACME, URL, later_ms) is not None

    async def test_urls_and_tenants_are_apart(self, endpoints: WebhookEndpoints) -> None:
        await endpoints.note_failure(ACME, URL, NOW_MS)
        assert await endpoints.read(Tenant("globex"), URL) is None
        assert await endpoints.read(ACME, f"{URL}/other") is None


async def test_what_cannot_be_noted_is_no_error_but_what_cannot_be_read_is(aws: Aws) -> None:
    endpoints = DynamoDbWebhooks(aws.client("dynamodb"), "nowhere")
    assert await endpoints.note_failure(ACME, URL, NOW_MS) is None
    assert not await endpoints.disable(ACME, URL, "x", NOW_MS)
    await endpoints.note_success(ACME, URL)
    with pytest.raises(TransientError):
        await endpoints.read(ACME, URL)
    with pytest.raises(TransientError):
        await endpoints.begin_trial(ACME, FailingEndpoint(URL, NOW_MS, 1, NOW_MS), NOW_MS)


async def test_rows_of_urls_that_nobody_uses_expire(aws: Aws) -> None:
    await DynamoDbWebhooks(aws.client("dynamodb"), aws.tables["webhooks"]).note_failure(ACME, URL, NOW_MS)
    (item,) = aws.rows("webhooks")
    assert int(item["expires_at"]["N"]) == NOW_MS // 1000 + 30 * 24 * 3600
