"""Scores in DynamoDB: the durable source of leaderboards."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb_errors import translate
from push.boards import MAX_MEMBERS
from push.computes import Tenant
from push.errors import ComputeFailedError, ErrorCode


class DynamoDbScores:
    """`push.boards.Scores` on DynamoDB; strongly consistent."""

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
