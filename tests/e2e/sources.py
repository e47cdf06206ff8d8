"""The documents and scores of a running stack, written to as anybody would."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

TENANT = "public"


class HasClients(Protocol):
    """A running stack."""

    def client(self, service: str) -> Any:
        """Return a boto3 client."""


@dataclass(frozen=True)
class Sources:
    """Writes to the tables and the bucket of a stack; `names` are of its resources."""

    stack: HasClients
    names: dict[str, str]

    def put_object(self, collection: str, document_id: str, value: object) -> int:
        content = json.dumps(value).encode()
        key = f"documents/{TENANT}/{collection}/{document_id}.json"
        self.stack.client("s3").put_object(Bucket=self.names["StorageBucket"], Key=key, Body=content)
        return len(content)

    def put_row(self, collection: str, document_id: str, size_bytes: int) -> None:
        row = {
            "collection": {"S": f"{TENANT}/{collection}"},
            "id": {"S": document_id},
            "object_key": {"S": f"documents/{TENANT}/{collection}/{document_id}.json"},
            "size_bytes": {"N": str(size_bytes)},
        }
        self.stack.client("dynamodb").put_item(TableName=self.names["DocumentsTable"], Item=row)

    def put_document(self, collection: str, document_id: str, value: object) -> None:
        self.put_row(collection, document_id, self.put_object(collection, document_id, value))

    def put_score(self, board: str, member: str, score: int) -> None:
        row = {"board": {"S": f"{TENANT}/{board}"}, "member": {"S": member}, "score": {"N": str(score)}}
        self.stack.client("dynamodb").put_item(TableName=self.names["ScoresTable"], Item=row)

    def delete_score(self, board: str, member: str) -> None:
        key = {"board": {"S": f"{TENANT}/{board}"}, "member": {"S": member}}
        self.stack.client("dynamodb").delete_item(TableName=self.names["ScoresTable"], Key=key)
