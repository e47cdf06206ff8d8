"""The table of subscriptions and live results, and its index of subscriptions by connection; both are sharded.

| row | `topic` (hash) | `connection_id` (range) | other attributes |
| --- | --- | --- | --- |
| subscription | `<scope>/<topic>#<shard>` | the connection's id | `principal`, `options`, `connection_shard` |
| live result | `tag/<scope>/<tag>` | the key's storage name | `tenant`, `params`, `written` |
| scope of live results | `tag//<tag>` | the scope | |

All rows have `expires_at`, in seconds. A row of a scope says that live results of that scope depend on the tag; it is
never deleted before it expires. The scope of a tag is the key's, or the shared one if it is a tag of a source
(`push.tags.scope_of`). `tag/a/b` can not collide with a topic of a tenant `tag`, because every topic's name has a colon
before its first `/`. The index `by_connection` (`connection_shard`, `topic`) has keys only.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb.errors import translate
from push.computes import Tenant
from push.errors import TransientError
from push.tags import scope_of
from push.topics.subscriptions import LiveResult, Right, Subscription
from push.topics.topics import Topic, shard_of

_BATCH_ROWS = 25
"""DynamoDB's BatchWriteItem takes 25 rows a call (API Reference)."""

_BATCH_TRIES = 4
_BATCH_PAUSE_SECONDS = 0.05

_SCOPES = "tag//"

Row = Mapping[str, Any]


class SubscriptionTable(msgspec.Struct, frozen=True, kw_only=True):
    """Reads and writes that all adapters over the table share."""

    client: Any
    """Of DynamoDB."""
    name: str
    now: Callable[[], float]
    """The time in seconds since 1970."""

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
        """Put or delete rows, each named once. Rows that DynamoDB throttles are retried."""
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

    def write_live(self, tags: Collection[str], live: LiveResult) -> None:
        """Put the rows that lead from tags to a live result."""
        rows = [row for tag in dict.fromkeys(tags) for row in _write_live(tag, live)]
        self.write_all("record a live result", [{"PutRequest": {"Item": row}} for row in rows])

    def living(self, topic: Topic, shard: int) -> dict[str, Any]:
        """Return the query that selects the unexpired subscriptions of a shard."""
        return self.unexpired(partition_of(topic, shard))

    def unexpired(self, partition: str) -> dict[str, Any]:
        """Return the query that selects the unexpired rows of a partition."""
        return {
            "KeyConditionExpression": "topic = :topic",
            "FilterExpression": "expires_at > :now",
            "ExpressionAttributeValues": {":topic": {"S": partition}, ":now": {"N": str(int(self.now()))}},
        }


def partition_of(topic: Topic, shard: int) -> str:
    """Return the hash key of a topic's shard."""
    return f"{topic.storage}#{shard}"


def tag_partition_of(tenant: Tenant | None, tag: str) -> str:
    """Return the hash key of the live results of a tenant's keys, or of shared ones, that depend on a tag."""
    return f"tag/{scope_text(scope_of(tag, tenant))}/{tag}"


def scopes_partition_of(tag: str) -> str:
    """Return the hash key of the scopes with live results that depend on a tag."""
    return f"{_SCOPES}{tag}"


def tag_of_scopes_partition(partition: str) -> str:
    """Return the tag that a hash key of `scopes_partition_of` names."""
    return partition.removeprefix(_SCOPES)


def scope_key_of(tenant: Tenant | None, tag: str) -> dict[str, Any]:
    """Return the key of the row that says that live results of a tenant's keys, or of shared ones, depend on a tag."""
    return {"topic": {"S": scopes_partition_of(tag)}, "connection_id": {"S": scope_text(scope_of(tag, tenant))}}


def scope_text(tenant: Tenant | None) -> str:
    """Return the form of a scope in rows."""
    return "*" if tenant is None else tenant


def parse_scope(text: str) -> Tenant | None:
    """Return the scope that a row names."""
    return None if text == "*" else Tenant(text)


def key_of(topic: Topic, connection_id: str) -> dict[str, Any]:
    """Return the key of a subscription's row."""
    return {"topic": {"S": partition_of(topic, shard_of(connection_id))}, "connection_id": {"S": connection_id}}


def deletions_of(subscriptions: Iterator[tuple[Topic, str]]) -> list[Row]:
    """Return the delete requests of subscriptions, for `SubscriptionTable.write_all`."""
    return [{"DeleteRequest": {"Key": key_of(topic, connection_id)}} for topic, connection_id in subscriptions]


def read_subscription(topic: Topic, row: Row) -> Subscription:
    """Parse the row of a subscription."""
    return Subscription(
        topic=topic,
        connection_id=row["connection_id"]["S"],
        principal=row["principal"]["S"],
        expires_at=int(row["expires_at"]["N"]),
        options=frozenset(filter(None, row["options"]["S"].split(","))),
        right=_read_right(row) if "claims" in row else None,
    )


def _write_live(tag: str, live: LiveResult) -> Iterator[Row]:
    expires_at = {"N": str(live.expires_at)}
    yield {
        "topic": {"S": tag_partition_of(live.key.tenant, tag)},
        "connection_id": {"S": live.key.storage},
        "tenant": {"S": live.tenant},
        "principal": {"S": live.principal},
        "params": {"S": bytes(live.params).decode()},
        # Tells writes apart. A worker that found no subscriber deletes only the row it read, and not one that a
        # subscriber wrote since.
        "written": {"S": secrets.token_hex(6)},
        "expires_at": expires_at,
    }
    yield {**scope_key_of(live.key.tenant, tag), "expires_at": expires_at}


def _read_right(row: Row) -> Right:
    return Right(Tenant(row["tenant"]["S"]), row["claims"]["S"], row["params"]["S"])
