"""The index of documents in DynamoDB."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb.errors import translate
from push.backoff import backoff_seconds
from push.computes import Tenant
from push.errors import SourceThrottledError
from push.sources.documents import Reference, partition

_KEYS_PER_CALL = 100
"""DynamoDB API, BatchGetItem."""

_TRIES = 5
_PROJECTION = {
    "ProjectionExpression": "#id, object_key, size_bytes",
    "ExpressionAttributeNames": {"#id": "id"},
}


class DynamoDbDocuments:
    """`push.sources.ports.DocumentIndex` on DynamoDB; strongly consistent."""

    def __init__(self, client: Any, table: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._table = table

    def find(self, tenant: Tenant, collection: str, ids: Sequence[str]) -> list[Reference]:
        """See `DocumentIndex.find`."""
        name = partition(tenant, collection)
        keys = [{"collection": {"S": name}, "id": {"S": document_id}} for document_id in ids]
        rows: list[Mapping[str, Any]] = []
        for start in range(0, len(keys), _KEYS_PER_CALL):
            rows += self._get(keys[start : start + _KEYS_PER_CALL])
        return [_read(row) for row in rows]

    def _get(self, keys: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = []
        pending: Mapping[str, Any] = {self._table: {"Keys": keys, "ConsistentRead": True, **_PROJECTION}}
        for attempt in range(1, _TRIES + 1):
            try:
                answer = self._client.batch_get_item(RequestItems=pending)
            except (BotoCoreError, ClientError) as exc:
                raise translate(exc, "look documents up") from exc
            rows += answer["Responses"].get(self._table, [])
            pending = answer.get("UnprocessedKeys") or {}
            if not pending:
                return rows
            # DynamoDB throttled the keys that are left (BatchGetItem, "UnprocessedKeys").
            time.sleep(backoff_seconds(attempt, random.random(), base_seconds=0.05, cap_seconds=1.0))  # noqa: S311
        raise SourceThrottledError("DynamoDB throttled the attempt to look documents up.", retry_after_ms=1000)

    def list_all(self, tenant: Tenant, collection: str, limit: int) -> list[Reference]:
        """See `DocumentIndex.list_all`."""
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "#collection = :collection",
            "ExpressionAttributeValues": {":collection": {"S": partition(tenant, collection)}},
            **_PROJECTION,
            "ExpressionAttributeNames": {"#id": "id", "#collection": "collection"},
            "ConsistentRead": True,
        }
        found: list[Reference] = []
        while len(found) < limit:
            try:
                answer = self._client.query(**query, Limit=limit - len(found))
            except (BotoCoreError, ClientError) as exc:
                raise translate(exc, "list a collection") from exc
            found += map(_read, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                break
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return found


def _read(row: Mapping[str, Any]) -> Reference:
    size = row.get("size_bytes", {"N": "0"})
    return Reference(row["id"]["S"], row["object_key"]["S"], size_bytes=int(size["N"]))
