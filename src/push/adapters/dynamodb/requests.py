"""Durable requests in DynamoDB: one row each. A conditional write settles it, so the first of two answers wins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from backports import zstd
from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb.errors import is_condition_failure, translate
from push.computes import Tenant
from push.durable.ports import Settled, SettleOutcome
from push.durable.requests import (
    Attempt,
    Deliver,
    DeliveryState,
    QueuedRequest,
    RequestRecord,
    RequestStatus,
    Settlement,
    request_name,
)
from push.errors import TransientError

_DAY_SECONDS = 24 * 60 * 60
_LEVEL = 3

logger = logging.getLogger(__name__)

_encoder = msgspec.json.Encoder()
_deliver_decoder = msgspec.json.Decoder(Deliver)


class DynamoDbRequests(msgspec.Struct, frozen=True, kw_only=True):
    """`push.durable.ports.RequestRecords` on DynamoDB.

    A row lives for `result_days` after the request's deadline. If its answer is delivered, it lives a day longer,
    because the attempts may take that long.
    """

    client: Any
    """Of DynamoDB."""
    table: str
    result_days: int

    def put(self, request: QueuedRequest) -> bool:
        """See `RequestRecords.put`."""
        days = self.result_days + (0 if request.deliver.poll else 1)
        item: dict[str, Any] = {
            "request": {"S": request.name},
            "principal": {"S": request.principal},
            "status": {"S": RequestStatus.PENDING},
            "compute": {"S": request.compute},
            "fingerprint": {"S": request.fingerprint},
            "deliver": {"S": _encoder.encode(request.deliver).decode()},
            "accepted_at": {"N": str(request.accepted_at_ms)},
            "deadline_at": {"N": str(request.deadline_at_ms)},
            "attempt_count": {"N": "0"},
            "expires_at": {"N": str(request.deadline_at_ms // 1000 + days * _DAY_SECONDS)},
        }
        if request.has_rule:
            item["params"] = {"B": zstd.compress(bytes(request.params), _LEVEL)}
        try:
            # `request` is a reserved word.
            self.client.put_item(
                TableName=self.table,
                Item=item,
                ConditionExpression="attribute_not_exists(#request)",
                ExpressionAttributeNames={"#request": "request"},
            )
        except (BotoCoreError, ClientError) as exc:
            if is_condition_failure(exc):
                return False
            raise translate(exc, "record a request") from exc
        return True

    def read(self, tenant: Tenant, principal: str, request_id: str) -> RequestRecord | None:
        """See `RequestRecords.read`."""
        key = {"request": {"S": request_name(tenant, principal, request_id)}}
        try:
            answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        except (BotoCoreError, ClientError) as exc:
            raise translate(exc, "return a request") from exc
        item = answer.get("Item")
        return None if item is None else parse_record(item)

    async def settle(self, settlements: Sequence[Settlement], now_ms: int) -> list[Settled]:
        """See `RequestRecords.settle`."""
        return await asyncio.gather(*(asyncio.to_thread(self._settle, each, now_ms) for each in settlements))

    def _settle(self, settlement: Settlement, now_ms: int) -> Settled:
        try:
            row = self._update(settlement, now_ms)
        except (BotoCoreError, ClientError) as exc:
            if is_condition_failure(exc):
                return Settled(SettleOutcome.OVER)
            logger.warning("could not settle the request %s of %s: %s", settlement.id, settlement.tenant, exc)
            return Settled(SettleOutcome.UNREACHED)
        return Settled(SettleOutcome.SETTLED, _deliver_decoder.decode(row["deliver"]["S"]))

    def _update(self, settlement: Settlement, now_ms: int) -> Mapping[str, Any]:
        changes = "#status = :status, answer = :answer, settled_at = :now"
        values: dict[str, Any] = {
            ":pending": {"S": RequestStatus.PENDING},
            ":status": {"S": settlement.status},
            ":answer": {"B": zstd.compress(settlement.answer, _LEVEL)},
            ":now": {"N": str(now_ms)},
        }
        if settlement.payload:
            changes += ", payload = :payload"
            values[":payload"] = {"S": settlement.payload}
        answer = self.client.update_item(
            TableName=self.table,
            Key={"request": {"S": settlement.name}},
            UpdateExpression=f"SET {changes}",
            ConditionExpression="#status = :pending",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=values,
            # The old row has everything needed; returning the new one would return the answer too.
            ReturnValues="ALL_OLD",
        )
        row: Mapping[str, Any] = answer["Attributes"]
        return row


def parse_record(item: Mapping[str, Any]) -> RequestRecord:
    """Parse a row of the table of requests.

    Raises:
        TransientError: the row has another version's format.

    """
    try:
        return _parse(item)
    except (KeyError, ValueError, msgspec.DecodeError, zstd.ZstdError) as exc:
        raise TransientError("A request's record can't be read.") from exc


def _parse(item: Mapping[str, Any]) -> RequestRecord:
    scope, _, request_id = item["request"]["S"].partition("/")
    return RequestRecord(
        tenant=Tenant(scope.partition("~")[0]),
        id=request_id,
        status=RequestStatus(item["status"]["S"]),
        compute=item["compute"]["S"],
        fingerprint=item["fingerprint"]["S"],
        deliver=_deliver_decoder.decode(item["deliver"]["S"]),
        accepted_at_ms=int(item["accepted_at"]["N"]),
        deadline_at_ms=int(item["deadline_at"]["N"]),
        settled_at_ms=_number(item, "settled_at"),
        answer=zstd.decompress(item["answer"]["B"]) if "answer" in item else None,
        payload=item["payload"]["S"] if "payload" in item else "",
        delivery=DeliveryState(item["delivery"]["S"]) if "delivery" in item else DeliveryState.WAITING,
        attempt_count=_number(item, "attempt_count") or 0,
        attempt_until_ms=_number(item, "attempt_until") or 0,
        next_attempt_at_ms=_number(item, "next_attempt_at"),
        attempts=tuple(_parse_attempt(each["M"]) for each in item.get("attempts", {"L": ()})["L"]),
        # Rows of versions without principals have a name without one.
        principal=item["principal"]["S"] if "~" in scope else "",
        params=zstd.decompress(item["params"]["B"]) if "params" in item else None,
    )


def _parse_attempt(attempt: Mapping[str, Any]) -> Attempt:
    return Attempt(
        at_ms=int(attempt["at"]["N"]),
        took_ms=int(attempt["ms"]["N"]),
        status=_number(attempt, "status"),
        error=attempt["error"]["S"] if "error" in attempt else "",
    )


def _number(item: Mapping[str, Any], name: str) -> int | None:
    return int(item[name]["N"]) if name in item else None
