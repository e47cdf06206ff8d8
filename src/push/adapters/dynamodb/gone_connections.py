"""Batch removal of connections that a push found gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

_BATCH_ROWS = 25
"""DynamoDB's BatchWriteItem takes 25 rows a call (API Reference)."""

logger = logging.getLogger(__name__)


class DynamoDbGoneConnections:
    """`push.delivery.ports.GoneConnections` on the table of connections."""

    def __init__(self, client: Any, table: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._table = table

    async def forget(self, connection_ids: Sequence[str]) -> None:
        """See `GoneConnections.forget`."""
        unique = list(dict.fromkeys(connection_ids))
        for start in range(0, len(unique), _BATCH_ROWS):
            await asyncio.to_thread(self._delete, unique[start : start + _BATCH_ROWS])

    def _delete(self, connection_ids: Sequence[str]) -> None:
        requests = [{"DeleteRequest": {"Key": {"connection_id": {"S": each}}}} for each in connection_ids]
        try:
            self._client.batch_write_item(RequestItems={self._table: requests})
        except (BotoCoreError, ClientError) as exc:
            # Rows that stay expire by TTL, and the next push finds the connections gone again.
            logger.warning("could not delete the rows of %d gone connections: %s", len(connection_ids), exc)
