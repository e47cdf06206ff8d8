"""How Redis (or Valkey) is reached: one client per execution environment, short timeouts, scripts by their hash.

redis-py's defaults (timeouts of 5 s, 10 retries) could hold one command for a minute; here a command that did not
succeed in two tries within the configured timeout ends as `CacheUnavailableError`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit, urlunsplit

from redis import Redis, RedisCluster
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import FullJitterBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from push.errors import CacheUnavailableError
from push.keys import Key
from push.settings import CacheSettings

_MAX_ASYNC_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script; its file says what KEYS, ARGV and the reply are."""

    source: str
    sha: str


@cache
def load_script(name: str) -> Script:
    """Read `<name>.lua` beside this module."""
    source = files("push.adapters").joinpath(f"{name}.lua").read_text()
    return Script(source=source, sha=hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def result_name(key: Key) -> str:
    """Name of a key's result; all names of one key share a hash slot."""
    return f"{{{key.storage}}}:result"


def lease_name(key: Key) -> str:
    """Name of a key's lease."""
    return f"{{{key.storage}}}:lease"


def waiters_name(key: Key) -> str:
    """Name of the sorted set of a key's waiters, scored by deadline."""
    return f"{{{key.storage}}}:waiters"


def generation_name(key: Key) -> str:
    """Name of a key's generation."""
    return f"{{{key.storage}}}:generation"


class SyncRedis:
    """A blocking client for functions that answer one message at a time."""

    def __init__(self, settings: CacheSettings) -> None:
        url, is_cluster = _split_url(settings.cache_url)
        options = {**_options(settings), "retry": Retry(FullJitterBackoff(cap=0.02, base=0.005), 1)}
        self._client: Any = RedisCluster.from_url(url, **options) if is_cluster else Redis.from_url(url, **options)

    def run(self, *command: str | bytes | int) -> Any:  # noqa: ANN401 - replies are as varied as commands
        """Run one command.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused.

        """
        try:
            return self._client.execute_command(*command)
        except (RedisError, OSError) as exc:
            raise CacheUnavailableError(f"Redis did not serve {command[0]!r}: {exc}") from exc

    def run_script(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:  # noqa: ANN401
        """Run a script, which a server that does not know it yet is sent whole.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused.

        """
        try:
            try:
                return self._client.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
            except NoScriptError:
                return self._client.execute_command("EVAL", script.source, len(keys), *keys, *args)
        except (RedisError, OSError) as exc:
            raise CacheUnavailableError(f"Redis did not run a script: {exc}") from exc


class AsyncRedis:
    """The same on asyncio, for functions that work on many keys at once. Belongs to one event loop."""

    def __init__(self, settings: CacheSettings) -> None:
        url, is_cluster = _split_url(settings.cache_url)
        options = {**_options(settings), "retry": AsyncRetry(FullJitterBackoff(cap=0.02, base=0.005), 1)}
        if is_cluster:
            self._client: Any = aioredis.RedisCluster.from_url(url, **options)
        else:
            pool = aioredis.BlockingConnectionPool.from_url(
                url, max_connections=_MAX_ASYNC_CONNECTIONS, timeout=settings.cache_timeout_ms / 1000 * 10, **options
            )
            self._client = aioredis.Redis.from_pool(pool)

    async def run(self, *command: str | bytes | int) -> Any:  # noqa: ANN401
        """Run one command.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused.

        """
        try:
            return await self._client.execute_command(*command)
        except (RedisError, OSError) as exc:
            raise CacheUnavailableError(f"Redis did not serve {command[0]!r}: {exc}") from exc

    async def run_script(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:  # noqa: ANN401
        """Run a script, which a server that does not know it yet is sent whole.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused.

        """
        try:
            try:
                return await self._client.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
            except NoScriptError:
                return await self._client.execute_command("EVAL", script.source, len(keys), *keys, *args)
        except (RedisError, OSError) as exc:
            raise CacheUnavailableError(f"Redis did not run a script: {exc}") from exc

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _split_url(url: str) -> tuple[str, bool]:
    """Take our own `cluster=true` out of a Redis URL."""
    parts = urlsplit(url)
    is_cluster = parse_qs(parts.query).get("cluster") == ["true"]
    return urlunsplit(parts._replace(query="")), is_cluster


def _options(settings: CacheSettings) -> dict[str, Any]:
    return {
        "socket_connect_timeout": settings.cache_connect_timeout_ms / 1000,
        "socket_timeout": settings.cache_timeout_ms / 1000,
        "socket_keepalive": True,
        # A thawed environment may hold a dead connection: one that was idle this long is tried with a PING first.
        "health_check_interval": 30,
        "protocol": 2,
    }


def as_text(reply: object) -> str:
    """Read a bulk reply as text."""
    return cast(bytes, reply).decode()
