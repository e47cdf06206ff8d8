"""Scores in DynamoDB: the durable source of leaderboards."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb.batch_reads import read_rows
from push.adapters.dynamodb.errors import translate
from push.computes import Tenant
from push.errors import ComputeFailedError, ErrorCode
from push.sources.boards import MAX_MEMBERS

_PROJECTION = {"ProjectionExpression": "#member, score", "ExpressionAttributeNames": {"#member": "member"}}

logger = logging.getLogger(__name__)


class DynamoDbScores:
    """`push.sources.ports.Scores` on DynamoDB; strongly consistent."""

    def __init__(self, client: Any, table: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._table = table

    def read_all(self, tenant: Tenant, board: str) -> dict[str, float]:
        """See `Scores.read_all`."""
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "board = :board",
            "ExpressionAttributeValues": {":board": {"S": f"{tenant}/{board}"}},
            "ConsistentRead": True,
            **_PROJECTION,
        }
        scores: dict[str, float] = {}
        while True:
            try:
                answer = self._client.query(**query)
            except (BotoCoreError, ClientError) as exc:
                raise translate(exc, "read a leaderboard") from exc
            scores |= _scores_of(answer["Items"])
            if len(scores) > MAX_MEMBERS:
                raise ComputeFailedError(f"The board has over {MAX_MEMBERS} members.", code=ErrorCode.TOO_LARGE)
            if "LastEvaluatedKey" not in answer:
                return scores
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def read_some(self, tenant: Tenant, board: str, members: Collection[str]) -> dict[str, float]:
        """See `Scores.read_some`."""
        keys = [{"board": {"S": f"{tenant}/{board}"}, "member": {"S": member}} for member in members]
        return _scores_of(read_rows(self._client, self._table, keys, _PROJECTION, "read members of a leaderboard"))


def _scores_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    scores = {}
    for row in rows:
        try:
            score = float(row["score"]["N"])
        except (KeyError, ValueError):
            score = math.nan
        if math.isfinite(score):
            scores[row["member"]["S"]] = score
        else:
            logger.warning("a row of the scores has no numeric `score`: %s", row)
    return scores
