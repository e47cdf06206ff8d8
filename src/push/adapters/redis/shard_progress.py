"""Fan-out in Redis: a lease, a cursor and a hash of lagging connections for each shard of a topic's subscribers.

The cursor is a field of the topic's hash, so it is lost with the epoch. A nudge sets no flag: messages after the
cursor show that there is something to push. `push.topics.ports.ShardProgress` describes the protocol.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from push.adapters.redis.connection import AsyncRedis, SyncRedis, as_text, load_script
from push.adapters.redis.histories import Call, history_name, parse_history, topic_name
from push.topics.histories import Behind, History, Round, ShardBusy
from push.topics.positions import Position
from push.topics.topics import Topic

LAGGING_KEPT_MS = 3 * 60 * 60 * 1000
"""Longer than the two hours that a connection lasts at most."""

_MEMBERS_PER_COMMAND = 1000
"""ElastiCache Serverless takes at most 3,999 arguments a request."""

_NOWHERE = Position("", 0)

_NOTHING = Round(_NOWHERE, History((), is_complete=True, head=_NOWHERE))


class RedisShardProgress:
    """`push.topics.ports.ShardProgress` on Redis."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def begin(self, topic: Topic, shard: int, token: str, term_ms: int, limit: int) -> Round | ShardBusy:
        """See `ShardProgress.begin`."""
        return await _next_round(topic, shard, token, _NOWHERE, (), term_ms, limit).start(self._redis)

    async def advance(
        self,
        topic: Topic,
        shard: int,
        token: str,
        pushed: Position,
        lagging: Mapping[str, Position],
        term_ms: int,
        limit: int,
    ) -> Round | ShardBusy:
        """See `ShardProgress.advance`."""
        noted = [part for connection_id, after in lagging.items() for part in (connection_id, str(after))]
        # Record all lagging connections before the cursor moves past the messages that they missed.
        while len(noted) > _MEMBERS_PER_COMMAND:
            first, noted = noted[:_MEMBERS_PER_COMMAND], noted[_MEMBERS_PER_COMMAND:]
            same = await _next_round(topic, shard, token, _NOWHERE, first, term_ms, limit).start(self._redis)
            if isinstance(same, ShardBusy):
                return same
        return await _next_round(topic, shard, token, pushed, noted, term_ms, limit).start(self._redis)

    async def renew(self, topic: Topic, shard: int, token: str, term_ms: int) -> bool:
        """See `ShardProgress.renew`."""
        return await _hold(topic, shard, token, term_ms).start(self._redis)

    async def release(self, topic: Topic, shard: int, token: str) -> None:
        """See `ShardProgress.release`."""
        await _hold(topic, shard, token, 0).start(self._redis)

    async def lagging(self, topic: Topic, shard: int) -> Mapping[str, Behind]:
        """See `ShardProgress.lagging`."""
        reply = await self._redis.run("HGETALL", _lagging_name(topic, shard))
        # One server replies with a list of names and values; a cluster's client returns a dict.
        pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
        return {as_text(connection_id): _parse_behind(noted) for connection_id, noted in pairs}

    async def behind(self, topic: Topic, shard: int, connection_id: str) -> Behind | None:
        """See `ShardProgress.behind`."""
        return _maybe_behind(await self._redis.run("HGET", _lagging_name(topic, shard), connection_id))

    async def catch_up(
        self, topic: Topic, shard: int, connection_id: str, mark: str, reached: Position
    ) -> Behind | None:
        """See `ShardProgress.catch_up`."""
        return await _catch_up(topic, shard, connection_id, mark, reached).start(self._redis)

    async def forget(self, topic: Topic, shard: int, connection_ids: Sequence[str]) -> None:
        """See `ShardProgress.forget`."""
        for start in range(0, len(connection_ids), _MEMBERS_PER_COMMAND):
            gone = connection_ids[start : start + _MEMBERS_PER_COMMAND]
            await self._redis.run("HDEL", _lagging_name(topic, shard), *gone)


class SyncRedisLagging:
    """`push.topics.ports.SyncLagging` on Redis."""

    def __init__(self, redis: SyncRedis) -> None:
        self._redis = redis

    def lag(self, topic: Topic, shard: int, connection_id: str, after: Position) -> str:
        """See `SyncLagging.lag`."""
        mark = _new_mark()
        args = (connection_id, mark, str(after), LAGGING_KEPT_MS)
        self._redis.run_script(load_script("lag"), (_lagging_name(topic, shard),), args)
        return mark

    def catch_up(self, topic: Topic, shard: int, connection_id: str, mark: str, reached: Position) -> Behind | None:
        """See `ShardProgress.catch_up`."""
        return _catch_up(topic, shard, connection_id, mark, reached).run(self._redis)

    def forget(self, topic: Topic, shard: int, connection_ids: Sequence[str]) -> None:
        """See `ShardProgress.forget`."""
        for start in range(0, len(connection_ids), _MEMBERS_PER_COMMAND):
            gone = connection_ids[start : start + _MEMBERS_PER_COMMAND]
            self._redis.run("HDEL", _lagging_name(topic, shard), *gone)


def _lease_name(topic: Topic, shard: int) -> str:
    return f"{{{topic.storage}}}:fan-out:{shard}"


def _lagging_name(topic: Topic, shard: int) -> str:
    return f"{{{topic.storage}}}:lagging:{shard}"


def _next_round(
    topic: Topic, shard: int, token: str, pushed: Position, lagging: Sequence[str], term_ms: int, limit: int
) -> Call[Round | ShardBusy]:
    names = (topic_name(topic), history_name(topic), _lease_name(topic, shard), _lagging_name(topic, shard))
    place = (pushed.epoch, pushed.offset)
    args: list[str | bytes | int] = [token, term_ms, shard, limit, *place, LAGGING_KEPT_MS, _new_mark(), *lagging]
    return Call(load_script("fan_out"), names, args, _parse_round)


def _hold(topic: Topic, shard: int, token: str, term_ms: int) -> Call[bool]:
    return Call(load_script("hold_shard"), (_lease_name(topic, shard),), (token, term_ms), bool)


def _catch_up(topic: Topic, shard: int, connection_id: str, mark: str, reached: Position) -> Call[Behind | None]:
    names = (topic_name(topic), history_name(topic), _lagging_name(topic, shard))
    args = (shard, connection_id, mark, reached.epoch, reached.offset)
    return Call(load_script("catch_up"), names, args, _maybe_behind)


def _parse_round(reply: Sequence[Any]) -> Round | ShardBusy:
    match reply:
        case [b"busy", left_ms]:
            return ShardBusy(int(left_ms))
        case [b"round", epoch, cursor, head, is_complete, entries]:
            return Round(Position(as_text(epoch), int(cursor)), parse_history(epoch, head, is_complete, entries))
        case _:
            return _NOTHING


def _maybe_behind(noted: bytes | None) -> Behind | None:
    return _parse_behind(noted) if noted else None


def _parse_behind(noted: bytes) -> Behind:
    mark, noted_at_ms, position = as_text(noted).split(" ")
    epoch, _, offset = position.partition(":")
    return Behind(Position(epoch, int(offset)), mark, int(noted_at_ms))


def _new_mark() -> str:
    return secrets.token_hex(4)
