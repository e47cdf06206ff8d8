"""Leases, fills and waiters in Redis, for the workers that compute."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from push.adapters.redis.connection import (
    AsyncRedis,
    as_text,
    generation_name,
    lease_name,
    load_script,
    look_name,
    rest_name,
    result_name,
    waiters_name,
    watch_name,
)
from push.adapters.redis.histories import topic_name
from push.adapters.redis.results import QUEUED_LEASE_MS, WAITERS_KEPT_MS, parse_stored, parse_waiter, serialize_waiter
from push.cache.jobs import NO_DEADLINE_MS, Waiter, live_waiter
from push.cache.ports import Busy, Claimed, Filled, FillOutcome, Renewed
from push.keys import Key
from push.results import Result, serialize_result
from push.topics.topics import live_topic

_MEMBERS_PER_COMMAND = 1000
"""ElastiCache Serverless takes at most 3,999 arguments a request."""

MINIMUM_KEPT_MS = 1000

_LIVE_WAITER = serialize_waiter(live_waiter())


class RedisLeases:
    """`push.cache.ports.Leases` on Redis."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def claim(self, key: Key, queued_token: str, term_ms: int, waiters: Mapping[Waiter, int]) -> Claimed | Busy:
        """See `Leases.claim`."""
        token = f"working {secrets.token_hex(12)}"
        names = (result_name(key), lease_name(key), waiters_name(key), generation_name(key), watch_name(key))
        parked = [part for waiter, deadline_ms in waiters.items() for part in (deadline_ms, serialize_waiter(waiter))]
        args = (queued_token, token, term_ms, WAITERS_KEPT_MS, *parked)
        reply = await self._redis.run_script(load_script("claim"), names, args)
        if reply[0] == b"busy":
            return Busy(is_watched=bool(reply[1]))
        _, generation, stored, waiting, deadline = reply
        return Claimed(token, as_text(generation), parse_stored(stored), int(waiting), _deadline(deadline))

    async def renew(self, key: Key, token: str, term_ms: int, now_ms: int) -> Renewed:
        """See `Leases.renew`."""
        names = (lease_name(key), waiters_name(key))
        held, deadline, expired = await self._redis.run_script(load_script("renew"), names, (token, term_ms, now_ms))
        return Renewed(bool(held), _deadline(deadline), tuple(map(parse_waiter, expired)))

    async def fill(self, key: Key, claimed: Claimed, result: Result, term_ms: int, now_ms: int) -> Filled:
        """See `Leases.fill`."""
        topic = topic_name(live_topic(key))
        names = (result_name(key), lease_name(key), waiters_name(key), generation_name(key), topic)
        kept_ms = max(MINIMUM_KEPT_MS, result.stale_until_ms - now_ms)
        live = (_LIVE_WAITER, NO_DEADLINE_MS, WAITERS_KEPT_MS)
        args = (claimed.token, claimed.generation, serialize_result(result), kept_ms, term_ms, *live)
        outcome, waiters = await self._redis.run_script(load_script("fill"), names, args)
        return Filled(FillOutcome(as_text(outcome)), tuple(map(parse_waiter, waiters)))

    async def read_generation(self, key: Key) -> str:
        """See `Leases.read_generation`."""
        return as_text(await self._redis.run("GET", generation_name(key)) or b"0")

    async def is_looked_at(self, key: Key) -> bool:
        """See `Leases.is_looked_at`."""
        return bool(await self._redis.run("EXISTS", look_name(key)))

    async def note_look(self, key: Key, look_ms: int) -> None:
        """See `Leases.note_look`."""
        await self._redis.run("SET", look_name(key), 1, "PX", look_ms)

    async def watch(self, key: Key, watch_ms: int) -> None:
        """See `Leases.watch`."""
        await self._redis.run("SET", watch_name(key), 1, "PX", watch_ms)

    async def rest(self, key: Key, rest_ms: int) -> None:
        """See `Leases.rest`."""
        await self._redis.run("SET", rest_name(key), 1, "PX", max(1, rest_ms))

    async def waiters(self, key: Key) -> tuple[Waiter, ...]:
        """See `Leases.waiters`."""
        return tuple(map(parse_waiter, await self._redis.run("ZRANGE", waiters_name(key), 0, -1)))

    async def settle(self, key: Key, waiters: Sequence[Waiter]) -> None:
        """See `Leases.settle`."""
        members = [serialize_waiter(waiter) for waiter in waiters]
        for start in range(0, len(members), _MEMBERS_PER_COMMAND):
            await self._redis.run("ZREM", waiters_name(key), *members[start : start + _MEMBERS_PER_COMMAND])

    async def release(self, key: Key, token: str, queue_token: str) -> int:
        """See `Leases.release`."""
        names = (lease_name(key), waiters_name(key))
        return int(await self._redis.run_script(load_script("release"), names, (token, queue_token, QUEUED_LEASE_MS)))

    async def unqueue(self, key: Key, token: str) -> None:
        """See `Leases.unqueue`."""
        await self._redis.run_script(load_script("unpark"), (lease_name(key), waiters_name(key)), (token, ""))


def _deadline(score: bytes) -> int:
    return int(float(score))
