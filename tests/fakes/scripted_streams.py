"""A stream of Kinesis whose shards and records tests write, and a function whose outcomes they script."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from local.deploying.aws_json_client import AwsCallError
from local.functions.invocation import Invocation, Outcome

CLOSED = "closed"


@dataclass
class ScriptedShard:
    """A shard; a closed one gives no iterator after its last record."""

    parents: Sequence[str] = ()
    records: list[dict[str, Any]] = field(default_factory=list)
    is_closed: bool = False


class ScriptedKinesis:
    """`AwsJsonClient` of one stream, and of the queue that takes failures."""

    def __init__(self) -> None:
        self.shards: dict[str, ScriptedShard] = {}
        self.sent: list[dict[str, Any]] = []
        """The failure records."""
        self._number = 0

    def put(self, shard_id: str, *texts: str) -> None:
        """Write records with increasing sequence numbers."""
        for text in texts:
            self._number += 1
            self.shards[shard_id].records.append(
                {
                    "SequenceNumber": f"{self._number:020d}",
                    "PartitionKey": "key",
                    "Data": base64.b64encode(text.encode()).decode(),
                    "ApproximateArrivalTimestamp": time.time(),
                }
            )

    async def call(self, service: str, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """See `AwsJsonClient.call`."""
        await asyncio.sleep(0.001)
        match service, operation:
            case "sqs", "SendMessage":
                self.sent.append(orjson.loads(request["MessageBody"]))
                return {}
            case "kinesis", "ListShards":
                return {"Shards": [self._describe(shard_id, shard) for shard_id, shard in self.shards.items()]}
            case "kinesis", "GetShardIterator":
                return {"ShardIterator": f"{self._find(request['ShardId'])} {self._position(request)}"}
            case _:
                shard_id, position = request["ShardIterator"].split()
                return self._read(self._find(shard_id), int(position), request["Limit"])

    def _find(self, shard_id: str) -> str:
        if shard_id not in self.shards:
            raise AwsCallError("ResourceNotFoundException", f"Shard {shard_id} not found")
        return shard_id

    @staticmethod
    def _describe(shard_id: str, shard: ScriptedShard) -> dict[str, Any]:
        names = ("ParentShardId", "AdjacentParentShardId")
        return {"ShardId": shard_id, **dict(zip(names, shard.parents, strict=False))}

    def _position(self, request: Mapping[str, Any]) -> int:
        records = self.shards[request["ShardId"]].records
        match request["ShardIteratorType"]:
            case "TRIM_HORIZON":
                return 0
            case "LATEST":
                return len(records)
            case _:
                after = request["StartingSequenceNumber"]
                return sum(record["SequenceNumber"] <= after for record in records)

    def _read(self, shard_id: str, position: int, limit: int) -> dict[str, Any]:
        shard = self.shards[shard_id]
        records = shard.records[position : position + limit]
        ended = shard.is_closed and position + len(records) == len(shard.records)
        following = {} if ended else {"NextShardIterator": f"{shard_id} {position + len(records)}"}
        return {"Records": records, **following}


Script = Callable[[list[str]], Invocation | None]


class ScriptedFunction:
    """`FunctionService` of one function that notes the texts of its records."""

    def __init__(self, script: Script = lambda _: None) -> None:
        self.batches: list[list[str]] = []
        self.events: list[dict[str, Any]] = []
        self._script = script

    @property
    def texts(self) -> list[str]:
        return [text for batch in self.batches for text in batch]

    def invoke(self, _function: str, event: bytes, on_end: Callable[[Invocation], None]) -> None:
        """See `FunctionService.invoke`."""
        self.events.append(orjson.loads(event))
        texts = [base64.b64decode(each["kinesis"]["data"]).decode() for each in self.events[-1]["Records"]]
        self.batches.append(texts)
        invocation = self._script(texts) or Invocation(Outcome.RETURNED, b"null")
        asyncio.get_running_loop().call_soon(on_end, invocation)
