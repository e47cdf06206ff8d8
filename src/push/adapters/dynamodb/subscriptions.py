"""Subscriptions in DynamoDB, for functions that answer one message at a time; see `subscription_rows`."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb.errors import translate
from push.adapters.dynamodb.subscription_rows import (
    Row,
    SubscriptionTable,
    deletions_of,
    key_of,
    read_subscription,
)
from push.topics.subscriptions import LiveResult, Right, Subscription
from push.topics.topics import SHARDS, Topic, parse_topic_storage, shard_of

INDEX = "by_connection"


class DynamoDbSubscriptions:
    """`push.topics.ports.Subscriptions` on DynamoDB."""

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time.time) -> None:  # noqa: ANN401
        self._table = SubscriptionTable(client=client, name=table, now=now)

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        """See `Subscriptions.add`."""
        rows = {(each.topic.storage, each.connection_id): _write_subscription(each) for each in subscriptions}
        self._table.write_all("record a subscription", [{"PutRequest": {"Item": row}} for row in rows.values()])

    def remove(self, topic: Topic, connection_id: str) -> None:
        """See `Subscriptions.remove`."""
        try:
            self._table.client.delete_item(TableName=self._table.name, Key=key_of(topic, connection_id))
        except (BotoCoreError, ClientError) as exc:
            raise translate(exc, "remove a subscription") from exc

    def remove_connection(self, connection_id: str) -> Sequence[Topic]:
        """See `Subscriptions.remove_connection`."""
        topics = [parse_topic_storage(name) for name in self._names_of(connection_id)]
        self._table.write_all("remove a subscription", deletions_of((topic, connection_id) for topic in topics))
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
        self._table.write_live(tags, live)


class DynamoDbTopicMembers:
    """`push.topics.ports.TopicMembers` on DynamoDB."""

    def __init__(self, client: Any, table: str, now: Callable[[], float] = time.time) -> None:  # noqa: ANN401
        self._table = SubscriptionTable(client=client, name=table, now=now)

    def count(self, topic: Topic) -> int:
        """See `TopicMembers.count`."""
        return sum(page["Count"] for page in self._pages(topic, Select="COUNT"))

    def members(self, topic: Topic, limit: int) -> Sequence[Subscription]:
        """See `TopicMembers.members`."""
        found: list[Subscription] = []
        for page in self._pages(topic):
            found += (read_subscription(topic, row) for row in page["Items"])
            if len(found) >= limit:
                break
        return found[:limit]

    def _pages(self, topic: Topic, **options: Any) -> Iterator[Row]:  # noqa: ANN401 - boto3's own options
        for shard in range(SHARDS):
            yield from self._table.query_all("find subscribers", **self._table.living(topic, shard), **options)


def _connection_shard(connection_id: str, shard: int) -> dict[str, str]:
    return {"S": f"{connection_id}#{shard}"}


def _of_connection(connection_id: str, shard: int) -> dict[str, Any]:
    return {
        "IndexName": INDEX,
        "KeyConditionExpression": "connection_shard = :connection",
        "ExpressionAttributeValues": {":connection": _connection_shard(connection_id, shard)},
    }


def _write_subscription(subscription: Subscription) -> dict[str, Any]:
    right = subscription.right
    return {
        **({} if right is None else _write_right(right)),
        **key_of(subscription.topic, subscription.connection_id),
        "connection_shard": _connection_shard(subscription.connection_id, shard_of(subscription.topic.storage)),
        "principal": {"S": subscription.principal},
        "options": {"S": ",".join(sorted(subscription.options))},
        "expires_at": {"N": str(subscription.expires_at)},
    }


def _write_right(right: Right) -> dict[str, Any]:
    return {"tenant": {"S": right.tenant}, "claims": {"S": right.claims}, "params": {"S": right.params}}
