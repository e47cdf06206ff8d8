"""Connections in DynamoDB: one row each, which is deleted on disconnect or by TTL."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.access.connections import TOMBSTONE_SECONDS, Connection
from push.adapters.dynamodb.errors import is_condition_failure, translate


class DynamoDbConnections:
    """`push.access.ports.ConnectionRecords` on DynamoDB."""

    def __init__(self, client: Any, table: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._table = table

    def record(self, connection: Connection) -> bool:
        """See `ConnectionRecords.record`."""
        caller = connection.caller
        item = {
            "connection_id": {"S": caller.connection_id},
            "tenant": {"S": caller.tenant},
            "principal": {"S": caller.principal},
            "connected_at": {"N": str(connection.connected_at_ms)},
            "expires_at": {"N": str(connection.expires_at)},
        }
        try:
            self._client.put_item(
                TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(disconnected_at)"
            )
        except (BotoCoreError, ClientError) as exc:
            if is_condition_failure(exc):
                return False
            raise translate(exc, "record a connection") from exc
        return True

    def end(self, connection_id: str, now_ms: int) -> None:
        """See `ConnectionRecords.end`."""
        if not self._remove_recorded(connection_id):
            self._bury(connection_id, now_ms)

    def _remove_recorded(self, connection_id: str) -> bool:
        try:
            self._client.delete_item(
                TableName=self._table,
                Key={"connection_id": {"S": connection_id}},
                ConditionExpression="attribute_exists(connected_at)",
            )
        except (BotoCoreError, ClientError) as exc:
            if is_condition_failure(exc):
                return False
            raise translate(exc, "remove a connection") from exc
        return True

    def _bury(self, connection_id: str, now_ms: int) -> None:
        # Unconditional: even if the connection was recorded a moment ago, it has ended.
        item = {
            "connection_id": {"S": connection_id},
            "disconnected_at": {"N": str(now_ms)},
            "expires_at": {"N": str(now_ms // 1000 + TOMBSTONE_SECONDS)},
        }
        try:
            self._client.put_item(TableName=self._table, Item=item)
        except (BotoCoreError, ClientError) as exc:
            raise translate(exc, "bury a connection") from exc
