"""The marks of links in Redis, each in the hash slot of its key."""

from __future__ import annotations

from push.adapters.redis.connection import AsyncRedis, as_text, generation_name, links_name, load_script
from push.keys import Key
from push.topics.subscriptions import LINKED_SECONDS, LinkMark


class RedisLinkMarks:
    """`push.topics.ports.LinkMarks` on Redis."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def read(self, key: Key) -> LinkMark:
        """See `LinkMarks.read`."""
        mark, generation = await self._redis.run("MGET", links_name(key), generation_name(key))
        return LinkMark(as_text(mark or b""), as_text(generation or b"0"))

    async def begin(self, key: Key, token: str) -> None:
        """See `LinkMarks.begin`."""
        await self._redis.run("SET", links_name(key), token, "EX", LINKED_SECONDS)

    async def confirm(self, key: Key, token: str, digest: str) -> None:
        """See `LinkMarks.confirm`."""
        await self._redis.run_script(load_script("confirm_links"), (links_name(key),), (token, digest))

    async def forget(self, key: Key) -> None:
        """See `LinkMarks.forget`."""
        await self._redis.run("DEL", links_name(key))
