"""Clients of Redis (or Valkey): one per execution environment, with short timeouts and scripts called by hash.

redis-py's defaults (timeouts of 5 s, 10 retries, at three levels) could block one command for a minute. So redis-py
retries nothing here; these clients try a command at most twice. A try waits for a connection and for each of its few
replies. While the circuit breaker is open (`tries`), commands fail at once, without touching the network.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
from redis import ConnectionPool, RedisCluster
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import NoScriptError
from redis.retry import Retry

from push.adapters.redis.command_batches import Command, CommandBatcher
from push.adapters.redis.tries import ERRORS, MAX_TRIES, Tries, means_failover
from push.keys import Key
from push.settings import CacheSettings

_MAX_ASYNC_CONNECTIONS = 8


class Script(msgspec.Struct, frozen=True):
    """A Lua script; the header of its file names KEYS, ARGV and the reply."""

    source: str
    sha: str


@cache
def load_script(name: str) -> Script:
    """Read the script `lua/<name>.lua`."""
    source = files("push.adapters.redis.lua").joinpath(f"{name}.lua").read_text()
    return Script(source=source, sha=hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def result_name(key: Key) -> str:
    """Return the Redis key of a result; all Redis keys that belong to one key share a hash slot."""
    return f"{{{key.storage}}}:result"


def lease_name(key: Key) -> str:
    """Return the Redis key of a lease."""
    return f"{{{key.storage}}}:lease"


def waiters_name(key: Key) -> str:
    """Return the Redis key of the sorted set of waiters, scored by deadline."""
    return f"{{{key.storage}}}:waiters"


def generation_name(key: Key) -> str:
    """Return the Redis key of a generation."""
    return f"{{{key.storage}}}:generation"


def look_name(key: Key) -> str:
    """Return the Redis key that exists while a job is about to compute the key again for its subscribers."""
    return f"{{{key.storage}}}:look"


def watch_name(key: Key) -> str:
    """Return the Redis key that exists while a guardian is about to check the key."""
    return f"{{{key.storage}}}:watch"


def links_name(key: Key) -> str:
    """Return the Redis key of the mark that names the tags linked to the key's subscribers."""
    return f"{{{key.storage}}}:links"


def rest_name(key: Key) -> str:
    """Return the Redis key that exists while the key is not to be refreshed."""
    return f"{{{key.storage}}}:rest"


class SyncRedis:
    """A blocking client, for functions that answer one message at a time; belongs to one thread."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        self._tries = Tries(_monotonic_ms, random.random)

    @cached_property
    def _server(self) -> RedisCluster | _OneServer:
        # Created by the first command: in cluster mode its constructor fetches the slots, which fails without Redis.
        url, is_cluster = _split_url(self._settings.cache_url)
        options = {**_options(self._settings), "retry": Retry(NoBackoff(), 0)}
        return RedisCluster.from_url(url, **options) if is_cluster else _OneServer(url, options)

    def run(self, *command: str | bytes | int) -> Any:  # noqa: ANN401 - replies are as varied as commands
        """Run one command.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused the command.

        """
        for tries in range(1, MAX_TRIES + 1):
            self._tries.begin()
            try:
                reply = self._server.execute_command(*command)
            except ERRORS as exc:
                if means_failover(exc):
                    self._drop_connection()
                time.sleep(self._tries.fail(command[0], exc, tries))
            else:
                self._tries.succeed()
                return reply
        raise AssertionError("the last try returns or raises")

    def run_script(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:  # noqa: ANN401
        """Run a script by its hash, or by its source if the server does not know it yet.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused the command.

        """
        try:
            return self.run("EVALSHA", script.sha, len(keys), *keys, *args)
        except NoScriptError:
            return self.run("EVAL", script.source, len(keys), *keys, *args)

    def _drop_connection(self) -> None:
        # A cluster's client does so itself.
        if isinstance(self._server, _OneServer):
            self._server.drop_connection()


class _OneServer:
    """One permanent connection to a single server; it reconnects by itself.

    Borrowing a connection from redis-py's pool and returning it takes as long as the command itself.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        # redis-py's connections are not typed.
        self._connection: Any = ConnectionPool.from_url(url, **options).make_connection()

    def execute_command(self, *command: str | bytes | int) -> Any:  # noqa: ANN401
        """Run a command and return its reply."""
        self._connection.send_command(*command)
        return self._connection.read_response()

    def drop_connection(self) -> None:
        """Disconnect; the next command reconnects."""
        self._connection.disconnect()


class AsyncRedis:
    """An asyncio client, for functions that work on many keys at once; belongs to one event loop."""

    def __init__(self, settings: CacheSettings) -> None:
        url, is_cluster = _split_url(settings.cache_url)
        options = {**_options(settings), "retry": AsyncRetry(NoBackoff(), 0)}
        client = aioredis.RedisCluster if is_cluster else aioredis.Redis
        self._client: Any = client.from_url(url, max_connections=_MAX_ASYNC_CONNECTIONS, **options)
        self._tries = Tries(_monotonic_ms, random.random)
        # Commands wait here for a connection: afterwards they check the circuit breaker, which may have opened.
        self._connections = asyncio.Semaphore(_MAX_ASYNC_CONNECTIONS)
        self._together = CommandBatcher(self._execute_all)

    async def run(self, *command: str | bytes | int) -> Any:  # noqa: ANN401
        """Run one command, batched with the others of this turn of the loop.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused the command.

        """
        return await self._run(command[0], lambda: self._together.run(command))

    async def run_all(self, commands: Sequence[Sequence[str | bytes | int]]) -> list[Any]:
        """Run independent commands in one round trip to each node.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused one of them.

        """

        async def execute() -> list[Any]:
            async with self._client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                replies: list[Any] = await pipeline.execute()
                return replies

        replies: list[Any] = await self._run("a pipeline", lambda: self._alone(execute))
        return replies

    async def _execute_all(self, commands: Sequence[Command]) -> list[Any]:
        """Return the reply to each command, or what it raised."""
        async with self._connections:
            self._tries.begin()
            if len(commands) == 1:
                return [await self._client.execute_command(*commands[0])]
            async with self._client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                replies: list[Any] = await pipeline.execute(raise_on_error=False)
                return replies

    async def _run(self, name: object, execute: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401
        for tries in range(1, MAX_TRIES + 1):
            try:
                reply = await execute()
            except ERRORS as exc:
                if means_failover(exc):
                    await self._drop_connections()
                await asyncio.sleep(self._tries.fail(name, exc, tries))
            else:
                self._tries.succeed()
                return reply
        raise AssertionError("the last try returns or raises")

    async def _alone(self, execute: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401
        async with self._connections:
            self._tries.begin()
            return await execute()

    async def run_script(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:  # noqa: ANN401
        """Run a script by its hash, or by its source if the server does not know it yet.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused the command.

        """
        try:
            return await self.run("EVALSHA", script.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self.run("EVAL", script.source, len(keys), *keys, *args)

    async def _drop_connections(self) -> None:
        # Only idle connections: the others may be in the middle of a command.
        if isinstance(self._client, aioredis.Redis):
            await self._client.connection_pool.disconnect(inuse_connections=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


@cache
def shared_async_redis(settings: CacheSettings) -> AsyncRedis:
    """Return the environment's only client, so that all callers share its connections and its circuit breaker."""
    return AsyncRedis(settings)


def _split_url(url: str) -> tuple[str, bool]:
    """Split our own option `cluster=true` off a Redis URL; redis-py reads the other options."""
    parts = urlsplit(url)
    options = parse_qsl(parts.query)
    is_cluster = ("cluster", "true") in options
    left = urlencode([(name, value) for name, value in options if name != "cluster"])
    return urlunsplit(parts._replace(query=left)), is_cluster


def _options(settings: CacheSettings) -> dict[str, Any]:
    return {
        "socket_connect_timeout": settings.cache_connect_timeout_ms / 1000,
        "socket_timeout": settings.cache_timeout_ms / 1000,
        "socket_keepalive": True,
        # A thawed environment may hold a dead connection, so a connection idle for this long is tested by a PING.
        "health_check_interval": 30,
        "protocol": 2,
        # After its handshake TLS 1.3 sends session tickets. On an unused connection redis-py takes them for a stale
        # reply and drops the connection, so one reply must be read first. The client therefore sends its name
        # (CLIENT SETINFO), but not its version, which would cost a second round trip.
        "driver_info": DriverInfo("pushaside", lib_version=None),
    }


def _monotonic_ms() -> float:
    return time.monotonic() * 1000


def as_text(reply: object) -> str:
    """Return a bulk reply as text."""
    return cast(bytes, reply).decode()
