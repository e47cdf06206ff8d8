"""Attempts to deliver webhooks, on the rows of durable requests; conditional writes claim and end them."""

from __future__ import annotations

import asyncio
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb.errors import is_condition_failure, translate
from push.adapters.dynamodb.requests import parse_record
from push.durable.requests import Attempt, DeliveryState, RequestRecord, RequestStatus, WebhookJob
from push.durable.webhook_delivering import KEPT_ATTEMPTS

# A failed delivery can be claimed too: when an operator redrives its dead letter, that asks for the next attempt.
_CLAIMABLE = (
    "attribute_exists(#request) AND #status <> :pending"
    " AND (attribute_not_exists(#delivery) OR #delivery <> :delivered)"
    " AND (#count = :before OR (#count = :attempt AND #until <= :now))"
)


class DynamoDbAttempts:
    """`push.durable.ports.DeliveryAttempts` on the table of requests.

    `attempt_until` exists while an attempt runs. Its value distinguishes the worker that runs the attempt from a worker
    that took the attempt over.
    """

    def __init__(self, client: Any, table: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._table = table

    async def claim(self, job: WebhookJob, now_ms: int, until_ms: int) -> RequestRecord | None:
        """See `DeliveryAttempts.claim`."""
        return await asyncio.to_thread(self._claim, job, now_ms, until_ms)

    async def read(self, job: WebhookJob) -> RequestRecord | None:
        """See `DeliveryAttempts.read`."""
        return await asyncio.to_thread(self._read, job)

    async def end(
        self, claimed: RequestRecord, attempt: Attempt, state: DeliveryState, next_attempt_at_ms: int | None
    ) -> bool:
        """See `DeliveryAttempts.end`."""
        return await asyncio.to_thread(self._end, claimed, attempt, state, next_attempt_at_ms)

    def _claim(self, job: WebhookJob, now_ms: int, until_ms: int) -> RequestRecord | None:
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key={"request": {"S": job.name}},
                UpdateExpression="SET #count = :attempt, #until = :until",
                ConditionExpression=_CLAIMABLE,
                ExpressionAttributeNames={
                    "#request": "request",
                    "#status": "status",
                    "#delivery": "delivery",
                    "#count": "attempt_count",
                    "#until": "attempt_until",
                },
                ExpressionAttributeValues={
                    ":pending": {"S": RequestStatus.PENDING},
                    ":delivered": {"S": DeliveryState.DELIVERED},
                    ":before": {"N": str(job.attempt - 1)},
                    ":attempt": {"N": str(job.attempt)},
                    ":now": {"N": str(now_ms)},
                    ":until": {"N": str(until_ms)},
                },
                ReturnValues="ALL_NEW",
            )
        except (BotoCoreError, ClientError) as exc:
            if is_condition_failure(exc):
                return None
            raise translate(exc, "claim an attempt") from exc
        return parse_record(answer["Attributes"])

    def _read(self, job: WebhookJob) -> RequestRecord | None:
        key = {"request": {"S": job.name}}
        try:
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        except (BotoCoreError, ClientError) as exc:
            raise translate(exc, "return a request") from exc
        item = answer.get("Item")
        return None if item is None else parse_record(item)

    def _end(
        self, claimed: RequestRecord, attempt: Attempt, state: DeliveryState, next_attempt_at_ms: int | None
    ) -> bool:
        newest = (*claimed.attempts, attempt)[-KEPT_ATTEMPTS:]
        values: dict[str, Any] = {
            ":state": {"S": state},
            ":attempts": {"L": [_attempt_item(each) for each in newest]},
            ":count": {"N": str(claimed.attempt_count)},
            ":until": {"N": str(claimed.attempt_until_ms)},
        }
        changes = "SET delivery = :state, attempts = :attempts"
        if next_attempt_at_ms is None:
            changes += " REMOVE attempt_until, next_attempt_at"
        else:
            changes += ", next_attempt_at = :next REMOVE attempt_until"
            values[":next"] = {"N": str(next_attempt_at_ms)}
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"request": {"S": claimed.name}},
                UpdateExpression=changes,
                ConditionExpression="attempt_count = :count AND attempt_until = :until",
                ExpressionAttributeValues=values,
            )
        except (BotoCoreError, ClientError) as exc:
            if is_condition_failure(exc):
                return False
            raise translate(exc, "record an attempt") from exc
        return True


def _attempt_item(attempt: Attempt) -> dict[str, Any]:
    members: dict[str, Any] = {"at": {"N": str(attempt.at_ms)}, "ms": {"N": str(attempt.took_ms)}}
    if attempt.status is not None:
        members["status"] = {"N": str(attempt.status)}
    if attempt.error:
        members["error"] = {"S": attempt.error}
    return {"M": members}
