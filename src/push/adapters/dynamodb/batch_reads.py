"""Reading many rows of a table by their keys."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb.errors import translate
from push.backoff import backoff_seconds
from push.errors import SourceThrottledError

KEYS_PER_CALL = 100
"""DynamoDB API, BatchGetItem."""

_TRIES = 5


def read_rows(
    client: Any,  # noqa: ANN401 - boto3 makes its clients at run time
    table: str,
    keys: Sequence[Mapping[str, Any]],
    projection: Mapping[str, Any],
    what: str,
) -> list[Mapping[str, Any]]:
    """Return the rows of distinct keys, strongly consistent, in any order, omitting absent ones.

    Args:
        client: a client of DynamoDB.
        table: the table's name.
        keys: any number.
        projection: the fields ProjectionExpression and ExpressionAttributeNames of the request.
        what: what the caller attempts, for the sentence of an error.

    Raises:
        SourceThrottledError: DynamoDB throttled the read.
        TransientError: DynamoDB did not answer.

    """
    rows: list[Mapping[str, Any]] = []
    for start in range(0, len(keys), KEYS_PER_CALL):
        some = {"Keys": keys[start : start + KEYS_PER_CALL], "ConsistentRead": True, **projection}
        rows += _read_batch(client, table, {table: some}, what)
    return rows


def _read_batch(client: Any, table: str, pending: Mapping[str, Any], what: str) -> list[Mapping[str, Any]]:  # noqa: ANN401
    rows: list[Mapping[str, Any]] = []
    for attempt in range(1, _TRIES + 1):
        try:
            answer = client.batch_get_item(RequestItems=pending)
        except (BotoCoreError, ClientError) as exc:
            raise translate(exc, what) from exc
        rows += answer["Responses"].get(table, [])
        pending = answer.get("UnprocessedKeys") or {}
        if not pending:
            return rows
        # DynamoDB throttled the keys that are left (BatchGetItem, "UnprocessedKeys").
        time.sleep(backoff_seconds(attempt, random.random(), base_seconds=0.05, cap_seconds=1.0))  # noqa: S311
    raise SourceThrottledError(f"DynamoDB throttled the attempt to {what}.", retry_after_ms=1000)
