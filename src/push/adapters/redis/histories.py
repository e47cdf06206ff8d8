"""Topic histories in Redis: per topic a stream of messages, and a hash with its epoch, head and fan-out cursors.

All Redis keys of a topic share a hash slot, so a script sees all of them. The hash is authoritative: without it, what
is left of a topic belongs to no epoch and is dropped.

A `Call` holds a script's arguments and the parser of its reply, so that both clients share them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from push.adapters.redis.connection import AsyncRedis, Script, SyncRedis, as_text, load_script
from push.topics.histories import Appended, History, Message, NewMessage
from push.topics.positions import Position
from push.topics.topics import Topic

TOPIC_KEPT_MS = 24 * 60 * 60 * 1000
"""Lifetime of a topic's epoch after its last use, on top of its messages' age: far longer than a connection."""

ID_KEPT_MS = 10 * 60 * 1000
"""Time that a message id is remembered."""

_TRY_KEPT_MS = 10_000
"""Time that a message without an id is remembered: enough to retry a command whose reply was lost."""

LATEST = Position("", 0)
"""Stands for the latest messages, whatever their position."""

Reply = TypeVar("Reply")


class Call(msgspec.Struct, Generic[Reply], frozen=True):
    """A call of a script, and the parser of its reply."""

    script: Script
    names: Sequence[str]
    args: Sequence[str | bytes | int]
    parse: Callable[[Any], Reply]

    def run(self, redis: SyncRedis) -> Reply:
        """Run the script on the blocking client. Raises CacheUnavailableError."""
        return self.parse(redis.run_script(self.script, self.names, self.args))

    async def start(self, redis: AsyncRedis) -> Reply:
        """Run the script on the asyncio client. Raises CacheUnavailableError."""
        return self.parse(await redis.run_script(self.script, self.names, self.args))


class RedisHistory:
    """`push.topics.ports.TopicHistories` on Redis."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def read(self, topic: Topic, after: Position, limit: int) -> History:
        """See `TopicHistories.read`."""
        return await _read(topic, after, limit).start(self._redis)


class SyncRedisHistory:
    """`push.topics.ports.SyncTopicHistories` on Redis."""

    def __init__(self, redis: SyncRedis) -> None:
        self._redis = redis

    def append(
        self, topic: Topic, messages: Sequence[NewMessage], *, size: int, seconds: int, only_changed: bool = False
    ) -> tuple[Appended, ...]:
        """See `SyncTopicHistories.append`."""
        return append_messages(topic, messages, size, seconds, only_changed=only_changed).run(self._redis)

    def read(self, topic: Topic, after: Position, limit: int) -> History:
        """See `TopicHistories.read`."""
        return _read(topic, after, limit).run(self._redis)

    def read_latest(self, topic: Topic, limit: int) -> History:
        """See `SyncTopicHistories.read_latest`."""
        return _read(topic, LATEST, limit).run(self._redis)

    def head(self, topic: Topic) -> Position:
        """See `SyncTopicHistories.head`."""
        return _read(topic, LATEST, 0).run(self._redis).head


def topic_name(topic: Topic) -> str:
    """Return the Redis key of the hash with a topic's epoch, head, latest etag and cursors."""
    return f"{{{topic.storage}}}:topic"


def history_name(topic: Topic) -> str:
    """Return the Redis key of the stream of a topic's messages."""
    return f"{{{topic.storage}}}:history"


def parse_history(epoch: bytes, head: bytes, is_complete: int, entries: Sequence[Any]) -> History:
    """Parse the history in a script's reply."""
    text = as_text(epoch)
    messages = tuple(_parse_entry(text, as_text(entry_id), fields) for entry_id, fields in entries)
    return History(messages, bool(is_complete), Position(text, int(head)))


def append_messages(
    topic: Topic,
    messages: Sequence[NewMessage],
    size: int,
    seconds: int,
    *,
    only_changed: bool,
    lease: str = "",
    token: str = "",
) -> Call[tuple[Appended, ...]]:
    """Return the call that appends messages.

    With a token, it appends only while the token holds `lease`, a Redis key in the topic's slot.
    """
    names = [topic_name(topic), history_name(topic), lease or topic_name(topic)]
    age_ms = seconds * 1000
    args: list[str | bytes | int] = [_new_epoch(), size, age_ms, TOPIC_KEPT_MS + age_ms, int(only_changed), token]
    for message in messages:
        names.append(f"{{{topic.storage}}}:{'message:' + message.id if message.id else 'try:' + secrets.token_hex(12)}")
        args += (message.id, message.data, message.etag, ID_KEPT_MS if message.id else _TRY_KEPT_MS)
    return Call(load_script("append_messages"), names, args, _parse_appended)


def _parse_appended(reply: Sequence[Any]) -> tuple[Appended, ...]:
    epoch, *standing = reply
    return tuple(_pairs(as_text(epoch), standing))


def _pairs(epoch: str, standing: Sequence[Any]) -> Iterator[Appended]:
    for offset, is_new in zip(standing[::2], standing[1::2], strict=True):
        yield Appended(Position(epoch, int(offset)), bool(is_new))


def _read(topic: Topic, after: Position, limit: int) -> Call[History]:
    names = (topic_name(topic), history_name(topic))
    args = (_new_epoch(), TOPIC_KEPT_MS, after.epoch, after.offset, limit)
    return Call(load_script("read_history"), names, args, lambda reply: parse_history(*reply))


def _parse_entry(epoch: str, entry_id: str, fields: Sequence[bytes]) -> Message:
    offset, _, published_at_ms = entry_id.partition("-")
    _, data, _, message_id, _, etag = fields
    return Message(Position(epoch, int(offset)), data, int(published_at_ms), as_text(message_id), as_text(etag))


def _new_epoch() -> str:
    return secrets.token_urlsafe(6)
