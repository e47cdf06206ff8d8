"""Tables of applications in DynamoDB, read as plain values."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb.errors import error_code, translate
from push.adapters.dynamodb.values import read_row, write_row, write_value
from push.backoff import backoff_seconds
from push.errors import ComputeFailedError, SourceThrottledError
from push.sources.ports import Row, Value

_KEYS_PER_CALL = 100
"""DynamoDB API, BatchGetItem."""

_TRIES = 5
_REFUSALS = frozenset({"AccessDeniedException", "ResourceNotFoundException", "ValidationException"})
_EVENTUAL = "Consistent read"
"""Part of DynamoDB's sentence when a global index is asked for a consistent read."""

_Answer = TypeVar("_Answer")


class DynamoDbTable(msgspec.Struct, frozen=True, kw_only=True):
    """`push.sources.ports.TableReader` on DynamoDB.

    Reads are consistent, except those of a global secondary index, which DynamoDB serves only eventually consistent.
    """

    client: Any
    """A client of DynamoDB."""
    name: str
    """The logical name, for sentences."""
    table: str
    """The physical name."""
    executor: Executor
    _eventual_indexes: set[str] = msgspec.field(default_factory=set)

    async def get(self, key: Mapping[str, Value]) -> Row | None:
        """See `TableReader.get`."""
        return await self._on_thread(lambda: self._get(key))

    async def get_many(self, keys: Sequence[Mapping[str, Value]]) -> list[Row | None]:
        """See `TableReader.get_many`."""
        return await self._on_thread(lambda: self._get_many(keys))

    async def query(
        self,
        partition: Mapping[str, Value],
        *,
        index: str | None = None,
        begins_with: Mapping[str, Value] | None = None,
        between: Mapping[str, tuple[Value, Value]] | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Row]:
        """See `TableReader.query`."""
        request = {
            "TableName": self.table,
            "ScanIndexForward": not newest_first,
            **({"IndexName": index} if index is not None else {}),
            **_condition(partition, begins_with or {}, between or {}),
        }
        return await self._on_thread(lambda: self._query(request, index, limit))

    async def scan(self) -> list[Row]:
        """See `TableReader.scan`."""
        request = {"TableName": self.table, "ConsistentRead": True}
        return await self._on_thread(lambda: list(self._pages(self.client.scan, request, None)))

    async def _on_thread(self, read: Callable[[], _Answer]) -> _Answer:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.executor, read)
        except TypeError as exc:
            # Reads know only the types of DynamoDB.
            raise ComputeFailedError(f"The table `{self.name}` can't be read like this: {exc}") from exc
        except (BotoCoreError, ClientError) as exc:
            if error_code(exc) in _REFUSALS:
                sentence = f"DynamoDB refuses to read the table `{self.name}`: {_message_of(exc)}"
                raise ComputeFailedError(sentence) from exc
            raise translate(exc, f"read the table `{self.name}`") from exc

    def _get(self, key: Mapping[str, Value]) -> Row | None:
        answer = self.client.get_item(TableName=self.table, Key=write_row(key), ConsistentRead=True)
        return read_row(answer["Item"]) if "Item" in answer else None

    def _get_many(self, keys: Sequence[Mapping[str, Value]]) -> list[Row | None]:
        # BatchGetItem refuses a key that is named twice.
        distinct = list({_identity(key): write_row(key) for key in keys}.values())
        rows: list[Row] = []
        for start in range(0, len(distinct), _KEYS_PER_CALL):
            rows += self._get_batch(distinct[start : start + _KEYS_PER_CALL])
        names = list(keys[0]) if keys else []
        by_key = {_identity({name: row[name] for name in names}): row for row in rows}
        return [by_key.get(_identity(key)) for key in keys]

    def _get_batch(self, keys: Sequence[Mapping[str, Any]]) -> list[Row]:
        rows: list[Row] = []
        pending: Mapping[str, Any] = {self.table: {"Keys": keys, "ConsistentRead": True}}
        for attempt in range(1, _TRIES + 1):
            answer = self.client.batch_get_item(RequestItems=pending)
            rows += map(read_row, answer["Responses"].get(self.table, []))
            pending = answer.get("UnprocessedKeys") or {}
            if not pending:
                return rows
            # DynamoDB throttled the keys that are left (BatchGetItem, "UnprocessedKeys").
            time.sleep(backoff_seconds(attempt, random.random(), base_seconds=0.05, cap_seconds=1.0))  # noqa: S311
        sentence = f"DynamoDB throttled the attempt to read the table `{self.name}`."
        raise SourceThrottledError(sentence, retry_after_ms=1000)

    def _query(self, request: Mapping[str, Any], index: str | None, limit: int | None) -> list[Row]:
        if index is None or index not in self._eventual_indexes:
            try:
                return list(self._pages(self.client.query, {**request, "ConsistentRead": True}, limit))
            except ClientError as exc:
                is_global = index is not None and error_code(exc) == "ValidationException"
                if not is_global or _EVENTUAL not in _message_of(exc):
                    raise
                self._eventual_indexes.add(index or "")
        return list(self._pages(self.client.query, request, limit))

    def _pages(self, call: Callable[..., Any], request: Mapping[str, Any], limit: int | None) -> Iterator[Row]:
        start: Mapping[str, Any] = {}
        left = limit
        while left is None or left > 0:
            answer = call(**request, **start, **({"Limit": left} if left is not None else {}))
            yield from map(read_row, answer["Items"])
            left = None if left is None else left - len(answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _condition(
    partition: Mapping[str, Value], begins_with: Mapping[str, Value], between: Mapping[str, tuple[Value, Value]]
) -> dict[str, Any]:
    """Return the parameters of a query that select by keys."""
    numbers = itertools.count()
    names: dict[str, str] = {}
    values: dict[str, Any] = {}

    def name_of(name: str) -> str:
        placeholder = f"#n{next(numbers)}"
        names[placeholder] = name
        return placeholder

    def value_of(value: Value) -> str:
        placeholder = f":v{next(numbers)}"
        values[placeholder] = write_value(value)
        return placeholder

    try:
        parts = [
            *(f"{name_of(name)} = {value_of(value)}" for name, value in partition.items()),
            *(f"begins_with({name_of(name)}, {value_of(value)})" for name, value in begins_with.items()),
            *(f"{name_of(name)} BETWEEN {value_of(low)} AND {value_of(high)}" for name, (low, high) in between.items()),
        ]
    except TypeError as exc:
        raise ComputeFailedError(f"The query can't be made: {exc}") from exc
    return {
        "KeyConditionExpression": " AND ".join(parts),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _identity(key: Mapping[str, Value]) -> bytes:
    """Return a form of a key that equal keys share."""
    return msgspec.json.encode({name: read_row({"": write_value(value)})[""] for name, value in sorted(key.items())})


def _message_of(exc: BotoCoreError | ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Message", "")) if isinstance(exc, ClientError) else str(exc)
