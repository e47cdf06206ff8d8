"""How Redis (or Valkey) is reached: one client per execution environment, short timeouts, scripts by their hash.

redis-py's defaults (timeouts of 5 s, 10 retries, at three levels) could hold one command for a minute. Here it does
not retry at all: a command is tried twice, a try waits at most for a connection and for each of its few replies, and
while Redis is away (`redis_tries`) commands fail at once, without touching the network.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

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


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script; its file says what KEYS, ARGV and the reply are."""

    source: str
    sha: str


@cache
def load_script(name: str) -> Script:
    """Read the script `lua/<name>.lua`."""
    source = files("push.adapters.redis.lua").joinpath(f"{name}.lua").read_text()
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


def watch_name(key: Key) -> str:
    """Name of what says that a guardian is to look at a key soon."""
    return f"{{{key.storage}}}:watch"


def rest_name(key: Key) -> str:
    """Name of what says that a key is not to be refreshed now."""
    return f"{{{key.storage}}}:rest"


class SyncRedis:
    """A blocking client for functions that answer one message at a time, for one thread."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        self._tries = Tries(_monotonic_ms, random.random)

    @cached_property
    def _server(self) -> RedisCluster | _OneServer:
        # Made by the first command: in cluster mode making it asks for the slots, and Redis may be away.
        url, is_cluster = _split_url(self._settings.cache_url)
        options = {**_options(self._settings), "retry": Retry(NoBackoff(), 0)}
        return RedisCluster.from_url(url, **options) if is_cluster else _OneServer(url, options)

    def run(self, *command: str | bytes | int) -> Any:  # noqa: ANN401 - replies are as varied as commands
        """Run one command.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused.

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
        """Run a script, which a server that does not know it yet is sent whole.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused.

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
    """One connection, kept; it connects by itself whenever it has to.

    Taking it out of redis-py's pool for a command, and giving it back, takes as long as the command itself.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        # redis-py's connections are not typed.
        self._connection: Any = ConnectionPool.from_url(url, **options).make_connection()

    def execute_command(self, *command: str | bytes | int) -> Any:  # noqa: ANN401
        """Run a command; its reply is what the server said."""
        self._connection.send_command(*command)
        return self._connection.read_response()

    def drop_connection(self) -> None:
        """Have the next command connect anew."""
        self._connection.disconnect()


class AsyncRedis:
    """The same on asyncio, for functions that work on many keys at once. Belongs to one event loop."""

    def __init__(self, settings: CacheSettings) -> None:
        url, is_cluster = _split_url(settings.cache_url)
        options = {**_options(settings), "retry": AsyncRetry(NoBackoff(), 0)}
        client = aioredis.RedisCluster if is_cluster else aioredis.Redis
        self._client: Any = client.from_url(url, max_connections=_MAX_ASYNC_CONNECTIONS, **options)
        self._tries = Tries(_monotonic_ms, random.random)
        # Commands wait here for a connection, so that those that waited find out that Redis went away meanwhile.
        self._connections = asyncio.Semaphore(_MAX_ASYNC_CONNECTIONS)
        self._together = CommandBatcher(self._execute_all)

    async def run(self, *command: str | bytes | int) -> Any:  # noqa: ANN401
        """Run one command; those of one turn of the loop go together.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused.

        """
        return await self._run(command[0], lambda: self._together.run(command))

    async def run_all(self, commands: Sequence[Sequence[str | bytes | int]]) -> list[Any]:
        """Run commands of which none needs another's reply, in one round trip to each node.

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
        """Run a script, which a server that does not know it yet is sent whole.

        Raises:
            CacheUnavailableError: Redis did not answer in time, or refused.

        """
        try:
            return await self.run("EVALSHA", script.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self.run("EVAL", script.source, len(keys), *keys, *args)

    async def _drop_connections(self) -> None:
        # Only idle ones: others may be in the middle of a command.
        if isinstance(self._client, aioredis.Redis):
            await self._client.connection_pool.disconnect(inuse_connections=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


@cache
def shared_async_redis(settings: CacheSettings) -> AsyncRedis:
    """Return the environment's one client, and so one set of connections and one circuit breaker."""
    return AsyncRedis(settings)


def _split_url(url: str) -> tuple[str, bool]:
    """Take our own `cluster=true` out of a Redis URL; other options are redis-py's."""
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
        # A thawed environment may hold a dead connection: one that was idle this long is tried with a PING first.
        "health_check_interval": 30,
        "protocol": 2,
        # One answer must be read before a connection is used: redis-py takes what TLS 1.3 sends after its handshake
        # (session tickets) for an answer left over by somebody else, and gives the connection up. So the client
        # introduces itself, by name alone: the version would cost a second round trip.
        "driver_info": DriverInfo("pushaside", lib_version=None),
    }


def _monotonic_ms() -> float:
    return time.monotonic() * 1000


def as_text(reply: object) -> str:
    """Read a bulk reply as text."""
    return cast(bytes, reply).decode()
