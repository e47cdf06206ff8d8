"""`GET /_local/dependencies?key=...`: the tags of a stored result, which name the sources that it depends on.

A result's wire key has no tenant, so the route reads the results of that key of every tenant. Tags name sources and
hold none of their data.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final
from urllib.parse import parse_qs

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from local.gateway.http_connection import HttpConnection
from local.gateway.http_messages import JSON_TYPE, HttpRequest, message_response, response

PATH: Final = "/_local/dependencies"

_KEY = re.compile(r"[a-z0-9_-]{1,64}@[0-9]{1,9}:[0-9a-f]{32}")
_HEADERS = (("Content-Type", JSON_TYPE), ("Cache-Control", "no-store"))
_PAGE_NAMES = 500
_REDIS_SECONDS = 3.0

_MAGIC_AND_FORMAT = b"PA\x01"
_TAG_COUNT_AT = 5
_TAGS_AT = 57
"""Of the stored form of results, which `src/push/results.py` describes."""


class Dependencies:
    """Reads the tags of results from Redis."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Redis = Redis.from_url(
            redis_url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
        )
        self._reading: set[asyncio.Task[None]] = set()

    def route(self, request: HttpRequest, connection: HttpConnection) -> None:
        """Answer with the tags, or refuse what is no request for them."""
        if request.method != b"GET":
            connection.respond(message_response(405, "Method Not Allowed", [("Allow", "GET")]))
            return
        (key, *_) = parse_qs(request.query).get("key", [""])
        if _KEY.fullmatch(key) is None:
            connection.respond(message_response(400, "`key` must be the key of a result."))
            return
        task = asyncio.get_running_loop().create_task(self._answer(key, connection))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def close(self) -> None:
        """Wait until all requests are answered, then close the connection to Redis."""
        await asyncio.gather(*self._reading)
        await self._redis.aclose()

    async def _answer(self, key: str, connection: HttpConnection) -> None:
        try:
            tags = await self.read(key)
        except (RedisError, ValueError) as error:
            connection.respond(message_response(503, f"The result cannot be read: {error}"))
        else:
            connection.respond(response(200, _HEADERS, orjson.dumps({"key": key, "tags": tags})))

    async def read(self, key: str) -> list[str]:
        """Return the tags of the stored results of a wire key, in order; none if no result is stored.

        Raises:
            RedisError: Redis does not answer.
            ValueError: another version of Pushaside stored the result.

        """
        tags: set[str] = set()
        async for name in self._redis.scan_iter(match=f"{{*/{key}}}:result", count=_PAGE_NAMES):
            stored = await self._redis.get(name)
            if isinstance(stored, bytes):
                tags.update(_tags_of(stored))
        return sorted(tags)


def _tags_of(stored: bytes) -> list[str]:
    """Return the tags of a stored result, each of which has its length in one byte before it."""
    if not stored.startswith(_MAGIC_AND_FORMAT):
        raise ValueError("a version of Pushaside with another format stored it.")
    tags = []
    position = _TAGS_AT
    for _ in range(stored[_TAG_COUNT_AT]):
        end = position + 1 + stored[position]
        tags.append(stored[position + 1 : end].decode())
        position = end
    return tags
