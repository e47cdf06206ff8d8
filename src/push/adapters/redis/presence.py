"""The members that a topic's subscribers were last told of, in Redis: one string per topic, replaced in one step."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from push.adapters.redis.connection import AsyncRedis, load_script
from push.topics.topics import Topic

KEPT_MS = 3 * 60 * 60 * 1000
"""Longer than the two hours that a connection lasts at most."""

_decoder = msgspec.json.Decoder(tuple[int, tuple[str, ...]])


class RedisToldMembers:
    """`push.topics.ports.ToldMembers` on Redis."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def replace(self, topic: Topic, count: int, principals: Sequence[str]) -> tuple[int, Sequence[str]]:
        """See `ToldMembers.replace`."""
        told = msgspec.json.encode((count, principals))
        names = (f"{{{topic.storage}}}:told",)
        before = await self._redis.run_script(load_script("replace_told"), names, (told, KEPT_MS))
        return _decoder.decode(before) if before else (0, ())
