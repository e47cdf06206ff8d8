"""Subscribers and live results in DynamoDB on asyncio, for fan-out and changes; see `subscription_rows`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb.batch_reads import KEYS_PER_CALL, read_rows
from push.adapters.dynamodb.errors import is_condition_failure
from push.adapters.dynamodb.subscription_rows import (
    Row,
    SubscriptionTable,
    deletions_of,
    parse_scope,
    partition_of,
    read_subscription,
    scope_key_of,
    scopes_partition_of,
    tag_of_scopes_partition,
    tag_partition_of,
)
from push.computes import Tenant
from push.errors import TransientError
from push.keys import parse_storage
from push.tags import ALL_SCOPES, TagScope
from push.topics.subscriptions import LiveResult, Subscription
from push.topics.topics import Topic, shard_of

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Name = TypeVar("Name")

_FEW_TAGS = 3
"""So many tags are queried at once. Of more, one call for a hundred first tells which have live results at all."""

_SCOPE_ROW = {"ProjectionExpression": "topic"}


class DynamoDbSubscribers:
    """`push.topics.ports.Subscribers` on DynamoDB."""

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time.time) -> None:  # noqa: ANN401
        self._table = SubscriptionTable(client=client, name=table, now=now)

    async def page(
        self, topic: Topic, shard: int, start: str | None = None, limit: int = 1000
    ) -> tuple[Sequence[Subscription], str | None]:
        """See `Subscribers.page`."""
        return await asyncio.to_thread(self._page, topic, shard, start, limit)

    def _page(
        self, topic: Topic, shard: int, start: str | None, limit: int
    ) -> tuple[Sequence[Subscription], str | None]:
        options: dict[str, Any] = {"ConsistentRead": True, "Limit": limit}
        if start is not None:
            options["ExclusiveStartKey"] = {"topic": {"S": partition_of(topic, shard)}, "connection_id": {"S": start}}
        page = self._table.query("find subscribers", **self._table.living(topic, shard), **options)
        last = page.get("LastEvaluatedKey")
        found = [read_subscription(topic, row) for row in page["Items"]]
        return found, last["connection_id"]["S"] if last else None

    async def find(self, topic: Topic, connection_id: str) -> Subscription | None:
        """See `Subscribers.find`."""
        return await asyncio.to_thread(self._find, topic, connection_id)

    def _find(self, topic: Topic, connection_id: str) -> Subscription | None:
        options = self._table.living(topic, shard_of(connection_id))
        options["KeyConditionExpression"] += " AND connection_id = :connection"
        options["ExpressionAttributeValues"][":connection"] = {"S": connection_id}
        rows = self._table.query("find a subscriber", **options, ConsistentRead=True)["Items"]
        return read_subscription(topic, rows[0]) if rows else None

    async def remove_all(self, topic: Topic, connection_ids: Collection[str]) -> None:
        """See `Subscribers.remove_all`."""
        deletions = deletions_of((topic, connection_id) for connection_id in dict.fromkeys(connection_ids))
        try:
            await asyncio.to_thread(self._table.write_all, "remove subscriptions", deletions)
        except TransientError as exc:
            logger.warning("could not delete the rows of gone subscribers: %s %r", exc.message, exc.__cause__)


class DynamoDbLiveLinks:
    """`push.topics.ports.LiveLinks` on DynamoDB."""

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time.time) -> None:  # noqa: ANN401
        self._table = SubscriptionTable(client=client, name=table, now=now)

    async def add(self, tags: Collection[str], live: LiveResult) -> None:
        """See `LiveLinks.add`."""
        await asyncio.to_thread(self._table.write_live, tags, live)


class DynamoDbLiveResults:
    """`push.topics.ports.LiveResults` on DynamoDB."""

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time.time) -> None:  # noqa: ANN401
        self._table = SubscriptionTable(client=client, name=table, now=now)

    async def live_of(self, scope: TagScope, tags: Collection[str]) -> Sequence[LiveResult]:
        """See `LiveResults.live_of`."""
        distinct = list(dict.fromkeys(tags))
        if scope is not ALL_SCOPES:
            distinct = await self._tags_with_live(scope, distinct)
        partitions = await _in_threads(partial(self._partitions_of, scope), distinct)
        found = await _in_threads(self._live_in, chain.from_iterable(partitions))
        return list({live.key.storage: live for results in found for live in results}.values())

    async def _tags_with_live(self, scope: Tenant | None, tags: Sequence[str]) -> list[str]:
        """Leave out tags that have no live results in a scope; a few tags are not worth the call."""
        if len(tags) <= _FEW_TAGS:
            return list(tags)

        def read(some: Sequence[str]) -> list[str]:
            keys = [scope_key_of(scope, tag) for tag in some]
            rows = read_rows(self._table.client, self._table.name, keys, _SCOPE_ROW, "find tags of live results")
            return [tag_of_scopes_partition(row["topic"]["S"]) for row in rows]

        slices = (tags[start : start + KEYS_PER_CALL] for start in range(0, len(tags), KEYS_PER_CALL))
        return list(chain.from_iterable(await _in_threads(read, slices)))

    def _partitions_of(self, scope: TagScope, tag: str) -> list[str]:
        if scope is not ALL_SCOPES:
            return [tag_partition_of(scope, tag)]
        rows = self._rows_in(scopes_partition_of(tag))
        return [tag_partition_of(parse_scope(row["connection_id"]["S"]), tag) for row in rows]

    def _live_in(self, partition: str) -> list[LiveResult]:
        return [_read_live(row) for row in self._rows_in(partition)]

    def _rows_in(self, partition: str) -> Iterator[Row]:
        for page in self._table.query_all("find live results", **self._table.unexpired(partition), ConsistentRead=True):
            yield from page["Items"]

    async def remove_live(self, tags: Collection[str], live: LiveResult) -> None:
        """See `LiveResults.remove_live`."""
        try:
            distinct = await self._tags_with_live(live.key.tenant, list(dict.fromkeys(tags)))
        except TransientError as exc:
            logger.warning("could not delete a live result without subscribers: %s", exc.message)
            return
        await asyncio.gather(*(asyncio.to_thread(self._remove_live, tag, live) for tag in distinct))

    def _remove_live(self, tag: str, live: LiveResult) -> None:
        try:
            self._table.client.delete_item(
                TableName=self._table.name,
                Key={"topic": {"S": tag_partition_of(live.key.tenant, tag)}, "connection_id": {"S": live.key.storage}},
                ConditionExpression="attribute_not_exists(written) OR written = :written",
                ExpressionAttributeValues={":written": {"S": live.written}},
            )
        except (BotoCoreError, ClientError) as exc:
            if not is_condition_failure(exc):
                logger.warning("could not delete a live result without subscribers: %s", exc)


async def _in_threads(read: Callable[[Name], list[Item]], names: Iterable[Name]) -> list[list[Item]]:
    return await asyncio.gather(*(asyncio.to_thread(read, name) for name in names))


def _read_live(row: Row) -> LiveResult:
    return LiveResult(
        key=parse_storage(row["connection_id"]["S"]),
        tenant=Tenant(row["tenant"]["S"]),
        params=msgspec.Raw(row["params"]["S"].encode()),
        expires_at=int(row["expires_at"]["N"]),
        principal=row["principal"]["S"] if "principal" in row else "",
        written=row["written"]["S"],
    )
