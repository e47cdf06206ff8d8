"""Both Redis clients, to be tested by the same tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from push.adapters.redis.connection import AsyncRedis, Script, SyncRedis
from push.settings import CacheSettings


@dataclass(frozen=True)
class Client:
    """A client that can be awaited: the blocking one works in a thread."""

    run: Callable[..., Awaitable[Any]]
    run_script: Callable[[Script, Sequence[str], Sequence[str | bytes | int]], Awaitable[Any]]


@asynccontextmanager
async def open_client(kind: str, settings: CacheSettings) -> AsyncIterator[Client]:
    """Open the client for blocking functions ("sync") or for those on asyncio ("async")."""
    if kind == "sync":
        blocking = SyncRedis(settings)

        async def run(*command: str | bytes | int) -> Any:
            return await asyncio.to_thread(blocking.run, *command)

        async def run_script(script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
            return await asyncio.to_thread(blocking.run_script, script, keys, args)

        yield Client(run, run_script)
        return
    redis = AsyncRedis(settings)
    yield Client(redis.run, redis.run_script)
    await redis.close()
