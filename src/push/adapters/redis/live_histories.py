"""Histories of live results in Redis: topic histories that a worker appends to while it holds the key's lease."""

from __future__ import annotations

from push.adapters.redis.connection import AsyncRedis, lease_name
from push.adapters.redis.histories import append_messages
from push.keys import Key
from push.topics.histories import NewMessage
from push.topics.namespaces import Namespaces
from push.topics.topics import live_topic


class RedisLiveHistories:
    """`push.topics.ports.LiveHistories` on Redis."""

    def __init__(self, redis: AsyncRedis, namespaces: Namespaces) -> None:
        self._redis = redis
        self._namespaces = namespaces

    async def append(self, key: Key, token: str, message: NewMessage, *, only_changed: bool = True) -> bool:
        """See `LiveHistories.append`."""
        topic = live_topic(key)
        namespace = self._namespaces.find(topic)
        call = append_messages(
            topic,
            [message],
            namespace.history_size,
            namespace.history_seconds,
            only_changed=only_changed,
            lease=lease_name(key),
            token=token,
        )
        return bool(await call.start(self._redis))
