"""The index of documents in DynamoDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb.batch_reads import read_rows
from push.adapters.dynamodb.errors import translate
from push.computes import Tenant
from push.sources.documents import Reference, partition

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
        return [_read(row) for row in read_rows(self._client, self._table, keys, _PROJECTION, "look documents up")]

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
