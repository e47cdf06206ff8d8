"""The records of durable requests: put once, settled once, and read as they are at that moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import boto3
import msgspec
import pytest
from backports import zstd
from botocore.config import Config

from push.adapters.dynamodb.requests import DynamoDbRequests, parse_record
from push.computes import Tenant
from push.durable.ports import RequestRecords, Settled, SettleOutcome
from push.durable.requests import (
    Attempt,
    Deliver,
    DeliveryState,
    QueuedRequest,
    RequestRecord,
    RequestStatus,
    Settlement,
)
from push.errors import TransientError
from tests.builders.results import NOW_MS
from tests.fakes.durable import FakeRequestRecords
from tests.servers.aws import CREDENTIALS, Aws

ACME = Tenant("acme")
DAY_SECONDS = 24 * 60 * 60
WEBHOOK = Deliver(webhook="https://receiver.example/hook")


@pytest.fixture(params=["fake", "lean", "boto3"])
def records(request: pytest.FixtureRequest) -> RequestRecords:
    if request.param == "fake":
        return FakeRequestRecords()
    return dynamodb_records(request.getfixturevalue(f"aws_by_{request.param}"))


def dynamodb_records(aws: Aws, result_days: int = 1) -> DynamoDbRequests:
    return DynamoDbRequests(client=aws.client("dynamodb"), table=aws.tables["requests"], result_days=result_days)


def make_request(request_id: str = "1", **changes: Any) -> QueuedRequest:
    request = QueuedRequest(
        tenant=ACME,
        principal="ada",
        id=request_id,
        compute="echo",
        params=msgspec.Raw(b"{}"),
        deliver=WEBHOOK,
        accepted_at_ms=NOW_MS,
        deadline_at_ms=NOW_MS + 900_000,
    )
    return msgspec.structs.replace(request, **changes)


def settlement(request_id: str = "1", **changes: Any) -> Settlement:
    values = {"id": request_id, "status": RequestStatus.DONE, "answer": b'{"type":"result"}', **changes}
    return Settlement(**{"tenant": ACME, "principal": "ada", **values})


def test_a_request_is_read_as_it_was_put(records: RequestRecords) -> None:
    request = make_request()
    assert records.put(request)
    assert records.read(ACME, "ada", "1") == RequestRecord(
        tenant=ACME,
        id="1",
        status=RequestStatus.PENDING,
        compute="echo",
        fingerprint=request.fingerprint,
        deliver=WEBHOOK,
        accepted_at_ms=NOW_MS,
        deadline_at_ms=NOW_MS + 900_000,
        principal="ada",
    )


def test_a_second_request_under_an_id_changes_nothing(records: RequestRecords) -> None:
    first = make_request()
    records.put(first)
    assert not records.put(make_request(compute="other"))
    record = records.read(ACME, "ada", "1")
    assert record is not None
    assert record.fingerprint == first.fingerprint


def test_a_request_is_its_tenants_own(records: RequestRecords) -> None:
    records.put(make_request())
    assert records.read(Tenant("globex"), "ada", "1") is None
    assert records.put(make_request(tenant="globex"))


def test_a_request_is_its_principals_own(records: RequestRecords) -> None:
    records.put(make_request())
    assert records.read(ACME, "bob", "1") is None
    assert records.put(make_request(principal="bob", compute="other"))
    record = records.read(ACME, "ada", "1")
    assert record is not None
    assert (record.principal, record.compute) == ("ada", "echo")


def test_the_params_are_kept_for_a_rule_that_is_asked_again(records: RequestRecords) -> None:
    records.put(make_request("1", params=msgspec.Raw(b'{"a":1}')))
    records.put(make_request("2", params=msgspec.Raw(b'{"a":1}'), has_rule=True))
    found = [records.read(ACME, "ada", request_id) for request_id in "12"]
    assert [record.params for record in found if record is not None] == [None, b'{"a":1}']


@pytest.mark.parametrize("principal", ["a/b", "auth0|5", "x" * 256, "é~#"])
def test_any_principal_has_requests_of_its_own(records: RequestRecords, principal: str) -> None:
    records.put(make_request(principal=principal))
    record = records.read(ACME, principal, "1")
    assert record is not None
    assert (record.tenant, record.principal, record.id) == (ACME, principal, "1")


@pytest.mark.parametrize("request_id", ["..", "é" * 64, "\x00\uffff", "a b", '"'])
def test_any_id_is_an_id(records: RequestRecords, request_id: str) -> None:
    records.put(make_request(request_id))
    record = records.read(ACME, "ada", request_id)
    assert record is not None
    assert record.id == request_id


async def test_settling_says_where_the_answer_goes(records: RequestRecords) -> None:
    records.put(make_request())
    settled = await records.settle([settlement(payload="payloads/x")], NOW_MS + 5)
    record = records.read(ACME, "ada", "1")
    assert settled == [Settled(SettleOutcome.SETTLED, WEBHOOK)]
    assert record is not None
    assert (record.status, record.answer, record.payload) == (RequestStatus.DONE, b'{"type":"result"}', "payloads/x")
    assert record.settled_at_ms == NOW_MS + 5


async def test_what_is_settled_stays_as_it_is(records: RequestRecords) -> None:
    records.put(make_request())
    await records.settle([settlement()], NOW_MS)
    again = settlement(status=RequestStatus.FAILED, answer=b"{}")
    assert await records.settle([again], NOW_MS + 5) == [Settled(SettleOutcome.OVER)]
    record = records.read(ACME, "ada", "1")
    assert record is not None
    assert (record.status, record.settled_at_ms) == (RequestStatus.DONE, NOW_MS)


async def test_of_many_who_settle_a_request_at_once_one_does(records: RequestRecords) -> None:
    records.put(make_request())
    settled = await asyncio.gather(*(records.settle([settlement()], NOW_MS) for _ in range(10)))
    assert sorted(each.outcome for (each,) in settled) == [*["over"] * 9, "settled"]


async def test_many_are_settled_in_their_order(records: RequestRecords) -> None:
    for number in range(0, 40, 2):
        records.put(make_request(str(number)))
    settled = await records.settle([settlement(str(number)) for number in range(40)], NOW_MS)
    assert [each.outcome for each in settled] == [SettleOutcome.SETTLED, SettleOutcome.OVER] * 20


async def test_what_was_never_put_is_not_settled(records: RequestRecords) -> None:
    assert await records.settle([settlement()], NOW_MS) == [Settled(SettleOutcome.OVER)]
    assert records.read(ACME, "ada", "1") is None


@pytest.mark.parametrize(("deliver", "days"), [(Deliver(poll=True), 3), (WEBHOOK, 4), (Deliver(sns="arn:aws:x"), 4)])
async def test_a_row_outlives_its_deadline_and_a_delivery_some_more(aws: Aws, deliver: Deliver, days: int) -> None:
    records = dynamodb_records(aws, result_days=3)
    request = make_request(deliver=deliver)
    records.put(request)
    await records.settle([settlement()], NOW_MS)
    (row,) = aws.rows("requests")
    assert int(row["expires_at"]["N"]) == request.deadline_at_ms // 1000 + days * DAY_SECONDS


async def test_an_answer_is_stored_compressed(aws: Aws) -> None:
    records = dynamodb_records(aws)
    records.put(make_request())
    answer = b'{"data":"%b"}' % (b"x" * 1_000_000)
    await records.settle([settlement(answer=answer)], NOW_MS)
    (row,) = aws.rows("requests")
    assert zstd.decompress(row["answer"]["B"]) == answer
    record = records.read(ACME, "ada", "1")
    assert record is not None
    assert record.answer == answer


def test_a_row_tells_of_its_delivery(aws: Aws) -> None:
    records = dynamodb_records(aws)
    records.put(make_request())
    (row,) = aws.rows("requests")
    record = parse_record(
        {
            **row,
            "delivery": {"S": "retrying"},
            "attempt_count": {"N": "2"},
            "attempt_until": {"N": "7"},
            "next_attempt_at": {"N": "9"},
            "attempts": {
                "L": [
                    {"M": {"at": {"N": "1"}, "ms": {"N": "2"}, "status": {"N": "503"}}},
                    {"M": {"at": {"N": "3"}, "ms": {"N": "4"}, "error": {"S": "timeout"}}},
                ]
            },
        }
    )
    assert (record.delivery, record.attempt_count) == (DeliveryState.RETRYING, 2)
    assert (record.attempt_until_ms, record.next_attempt_at_ms) == (7, 9)
    assert record.attempts == (Attempt(1, 2, status=503), Attempt(3, 4, error="timeout"))


@pytest.mark.parametrize("change", [{"status": {"S": "odd"}}, {"deliver": {"S": "{"}}, {"answer": {"B": b"plain"}}])
def test_a_row_of_another_version_is_an_error_that_may_pass(aws: Aws, change: dict[str, Any]) -> None:
    dynamodb_records(aws).put(make_request())
    (row,) = aws.rows("requests")
    with pytest.raises(TransientError):
        parse_record({**row, **change})


@pytest.mark.parametrize(
    "fail", [lambda records: records.put(make_request()), lambda records: records.read(ACME, "ada", "1")]
)
def test_a_table_that_does_not_answer_is_transient(fail: Callable[[RequestRecords], object]) -> None:
    with pytest.raises(TransientError):
        fail(unreachable_records())


async def test_who_settles_is_told_that_the_table_does_not_answer() -> None:
    settled = await unreachable_records().settle([settlement(), settlement("2")], NOW_MS)
    assert settled == [Settled(SettleOutcome.UNREACHED)] * 2


def unreachable_records() -> DynamoDbRequests:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=0.2, read_timeout=0.2)
    client = boto3.client("dynamodb", endpoint_url="http://127.0.0.1:1", config=config, **CREDENTIALS)
    return DynamoDbRequests(client=client, table="requests", result_days=1)
