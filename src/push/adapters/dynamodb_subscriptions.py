"""Subscriptions in DynamoDB: a row for each, by shard of its topic, and an index of them by shard of its connection.

| row | `topic` (hash) | `connection_id` (range) | other attributes |
| --- | --- | --- | --- |
| subscription | `<scope>/<topic>#<shard>` | the connection's id | `principal`, `options`, `connection_shard` |
| live result | `tag/<scope>/<tag>` | the key's name in a store | `tenant`, `params`, `written` |

All have `expires_at`, in seconds. `tag/a/b` is no topic of a tenant `tag`: every topic's name has a colon before its
first `/`, and no scope has. The index `by_connection` (`connection_shard`, `topic`) has keys only.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb_errors import is_condition_failure, translate
from push.computes import Tenant
from push.errors import TransientError
from push.keys import parse_storage
from push.subscriptions import LiveResult, Subscription
from push.topics import SHARDS, Topic, parse_topic_storage, shard_of

INDEX = "by_connection"

_BATCH_ROWS = 25
"""DynamoDB's BatchWriteItem takes 25 rows a call (API Reference)."""

_BATCH_TRIES = 4
_BATCH_PAUSE_SECONDS = 0.05

logger = logging.getLogger(__name__)

Row = Mapping[str, Any]


class _Table:
    """What all below do with the table."""

    def __init__(self, client: Any, name: str, now: Callable[[], float] = time.time) -> None:  # noqa: ANN401
        self.client = client
        self.name = name
        self.now = now

    def query(self, what: str, **options: Any) -> Row:  # noqa: ANN401 - boto3's own options
        """Read one page of rows."""
        try:
            page: Row = self.client.query(TableName=self.name, **options)
        except (BotoCoreError, ClientError) as exc:
            raise translate(exc, what) from exc
        return page

    def query_all(self, what: str, **options: Any) -> Iterator[Row]:  # noqa: ANN401 - boto3's own options
        """Read all pages of rows."""
        while True:
            page = self.query(what, **options)
            yield page
            if "LastEvaluatedKey" not in page:
                return
            options["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def write_all(self, what: str, writes: Sequence[Row]) -> None:
        """Put or delete rows, each of which is named once; what DynamoDB has no capacity for is tried again."""
        for start in range(0, len(writes), _BATCH_ROWS):
            self._write(what, writes[start : start + _BATCH_ROWS])

    def _write(self, what: str, writes: Sequence[Row]) -> None:
        for number in range(_BATCH_TRIES):
            if number:
                time.sleep(_BATCH_PAUSE_SECONDS * 2**number)
            try:
                answer = self.client.batch_write_item(RequestItems={self.name: writes})
            except (BotoCoreError, ClientError) as exc:
                raise translate(exc, what) from exc
            writes = answer.get("UnprocessedItems", {}).get(self.name, ())
            if not writes:
                return
        raise TransientError(f"DynamoDB did not {what}.")

    def living(self, topic: Topic, shard: int) -> dict[str, Any]:
        """Select the subscriptions of a shard that have not expired."""
        return {
            "KeyConditionExpression": "topic = :topic",
            "FilterExpression": "expires_at > :now",
            "ExpressionAttributeValues": {
                ":topic": {"S": _partition(topic, shard)},
                ":now": {"N": str(int(self.now()))},
            },
        }


class DynamoDbSubscriptions:
    """`push.subscriptions.Subscriptions` on DynamoDB."""

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time.time) -> None:  # noqa: ANN401
        self._table = _Table(client, table, now)

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        """See `Subscriptions.add`."""
        rows = {(each.topic.storage, each.connection_id): _write_subscription(each) for each in subscriptions}
        self._table.write_all("record a subscription", [{"PutRequest": {"Item": row}} for row in rows.values()])

    def remove(self, topic: Topic, connection_id: str) -> None:
        """See `Subscriptions.remove`."""
        try:
            self._table.client.delete_item(TableName=self._table.name, Key=_key(topic, connection_id))
        except (BotoCoreError, ClientError) as exc:
            raise translate(exc, "remove a subscription") from exc

    def remove_connection(self, connection_id: str) -> Sequence[Topic]:
        """See `Subscriptions.remove_connection`."""
        topics = [parse_topic_storage(name) for name in self._names_of(connection_id)]
        self._table.write_all("remove a subscription", _deletions((topic, connection_id) for topic in topics))
        return topics

    def _names_of(self, connection_id: str) -> Iterator[str]:
        for shard in range(SHARDS):
            for page in self._table.query_all("find subscriptions", **_of_connection(connection_id, shard)):
                yield from (row["topic"]["S"].rpartition("#")[0] for row in page["Items"])

    def count_of(self, connection_id: str, topic: Topic | None = None) -> int:
        """See `Subscriptions.count_of`."""
        shards = range(SHARDS) if topic is None else (shard_of(topic.storage),)
        return sum(
            page["Count"]
            for shard in shards
            for page in self._table.query_all(
                "count subscriptions", **_of_connection(connection_id, shard), Select="COUNT"
            )
        )

    def add_live(self, tags: Collection[str], live: LiveResult) -> None:
        """See `Subscriptions.add_live`."""
        _add_live(self._table, tags, live)


class DynamoDbTopicMembers:
    """`push.subscriptions.TopicMembers` on DynamoDB."""

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time.time) -> None:  # noqa: ANN401
        self._table = _Table(client, table, now)

    def count(self, topic: Topic) -> int:
        """See `TopicMembers.count`."""
        return sum(page["Count"] for page in self._pages(topic, Select="COUNT"))

    def members(self, topic: Topic, limit: int) -> Sequence[Subscription]:
        """See `TopicMembers.members`."""
        found: list[Subscription] = []
        for page in self._pages(topic):
            found += (_read_subscription(topic, row) for row in page["Items"])
            if len(found) >= limit:
                break
        return found[:limit]

    def _pages(self, topic: Topic, **options: Any) -> Iterator[Row]:  # noqa: ANN401 - boto3's own options
        for shard in range(SHARDS):
            yield from self._table.query_all("find subscribers", **self._table.living(topic, shard), **options)


class DynamoDbSubscribers:
    """`push.subscriptions.Subscribers` on DynamoDB."""

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time.time) -> None:  # noqa: ANN401
        self._table = _Table(client, table, now)

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
            options["ExclusiveStartKey"] = {"topic": {"S": _partition(topic, shard)}, "connection_id": {"S": start}}
        page = self._table.query("find subscribers", **self._table.living(topic, shard), **options)
        last = page.get("LastEvaluatedKey")
        found = [_read_subscription(topic, row) for row in page["Items"]]
        return found, last["connection_id"]["S"] if last else None

    async def remove_all(self, topic: Topic, connection_ids: Collection[str]) -> None:
        """See `Subscribers.remove_all`."""
        deletions = _deletions((topic, connection_id) for connection_id in dict.fromkeys(connection_ids))
        try:
            await asyncio.to_thread(self._table.write_all, "remove subscriptions", deletions)
        except TransientError as exc:
            logger.warning("rows of gone subscribers were left: %s %r", exc.message, exc.__cause__)


class DynamoDbLiveResults:
    """`push.subscriptions.LiveResults` on DynamoDB."""

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time.time) -> None:  # noqa: ANN401
        self._table = _Table(client, table, now)

    async def live_of(self, tenant: Tenant | None, tags: Collection[str]) -> Sequence[LiveResult]:
        """See `LiveResults.live_of`."""
        found = await asyncio.gather(*(asyncio.to_thread(self._live_of, tenant, tag) for tag in dict.fromkeys(tags)))
        return list({live.key.storage: live for results in found for live in results}.values())

    def _live_of(self, tenant: Tenant | None, tag: str) -> list[LiveResult]:
        options = {
            "KeyConditionExpression": "topic = :tag",
            "FilterExpression": "expires_at > :now",
            "ExpressionAttributeValues": {
                ":tag": {"S": _tag_partition(tenant, tag)},
                ":now": {"N": str(int(self._table.now()))},
            },
            "ConsistentRead": True,
        }
        return [
            _read_live(row) for page in self._table.query_all("find live results", **options) for row in page["Items"]
        ]

    async def remove_live(self, tags: Collection[str], live: LiveResult) -> None:
        """See `LiveResults.remove_live`."""
        await asyncio.gather(*(asyncio.to_thread(self._remove_live, tag, live) for tag in dict.fromkeys(tags)))

    def _remove_live(self, tag: str, live: LiveResult) -> None:
        try:
            self._table.client.delete_item(
                TableName=self._table.name,
                Key={"topic": {"S": _tag_partition(live.key.tenant, tag)}, "connection_id": {"S": live.key.storage}},
                ConditionExpression="attribute_not_exists(written) OR written = :written",
                ExpressionAttributeValues={":written": {"S": live.written}},
            )
        except (BotoCoreError, ClientError) as exc:
            if not is_condition_failure(exc):
                logger.warning("a live result without subscribers was left: %s", exc)


def _add_live(table: _Table, tags: Collection[str], live: LiveResult) -> None:
    # Of several writes in one second each can be told from the others: who found no subscriber removes only what it
    # read, and not what a subscriber has written since.
    attributes = {
        "connection_id": {"S": live.key.storage},
        "tenant": {"S": live.tenant},
        "params": {"S": bytes(live.params).decode()},
        "written": {"S": secrets.token_hex(6)},
        "expires_at": {"N": str(live.expires_at)},
    }
    rows = [{"topic": {"S": _tag_partition(live.key.tenant, tag)}, **attributes} for tag in dict.fromkeys(tags)]
    table.write_all("record a live result", [{"PutRequest": {"Item": row}} for row in rows])


def _partition(topic: Topic, shard: int) -> str:
    return f"{topic.storage}#{shard}"


def _tag_partition(tenant: Tenant | None, tag: str) -> str:
    return f"tag/{'*' if tenant is None else tenant}/{tag}"


def _key(topic: Topic, connection_id: str) -> dict[str, Any]:
    return {"topic": {"S": _partition(topic, shard_of(connection_id))}, "connection_id": {"S": connection_id}}


def _connection_shard(connection_id: str, shard: int) -> dict[str, str]:
    return {"S": f"{connection_id}#{shard}"}


def _of_connection(connection_id: str, shard: int) -> dict[str, Any]:
    return {
        "IndexName": INDEX,
        "KeyConditionExpression": "connection_shard = :connection",
        "ExpressionAttributeValues": {":connection": _connection_shard(connection_id, shard)},
    }


def _deletions(subscriptions: Iterator[tuple[Topic, str]]) -> list[Row]:
    return [{"DeleteRequest": {"Key": _key(topic, connection_id)}} for topic, connection_id in subscriptions]


def _write_subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        **_key(subscription.topic, subscription.connection_id),
        "connection_shard": _connection_shard(subscription.connection_id, shard_of(subscription.topic.storage)),
        "principal": {"S": subscription.principal},
        "options": {"S": ",".join(sorted(subscription.options))},
        "expires_at": {"N": str(subscription.expires_at)},
    }


def _read_subscription(topic: Topic, row: Row) -> Subscription:
    return Subscription(
        topic=topic,
        connection_id=row["connection_id"]["S"],
        principal=row["principal"]["S"],
        expires_at=int(row["expires_at"]["N"]),
        options=frozenset(filter(None, row["options"]["S"].split(","))),
    )


def _read_live(row: Row) -> LiveResult:
    return LiveResult(
        key=parse_storage(row["connection_id"]["S"]),
        tenant=Tenant(row["tenant"]["S"]),
        params=msgspec.Raw(row["params"]["S"].encode()),
        expires_at=int(row["expires_at"]["N"]),
        written=row["written"]["S"],
    )
