"""Scores in DynamoDB: the durable source of leaderboards."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb.errors import translate
from push.computes import Tenant
from push.errors import ComputeFailedError, ErrorCode
from push.sources.boards import MAX_MEMBERS


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
            "ExpressionAttributeNames": {"#member": "member"},
            "ProjectionExpression": "#member, score",
            "ConsistentRead": True,
        }
        scores: dict[str, float] = {}
        while True:
            try:
                answer = self._client.query(**query)
            except (BotoCoreError, ClientError) as exc:
                raise translate(exc, "read a leaderboard") from exc
            scores |= {row["member"]["S"]: float(row["score"]["N"]) for row in answer["Items"]}
            if len(scores) > MAX_MEMBERS:
                raise ComputeFailedError(f"The board has over {MAX_MEMBERS} members.", code=ErrorCode.TOO_LARGE)
            if "LastEvaluatedKey" not in answer:
                return scores
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
