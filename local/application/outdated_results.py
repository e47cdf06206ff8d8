"""Removal of the results that older code of an application's computes stored in Redis."""

from __future__ import annotations

from collections.abc import Iterable

from redis.asyncio import Redis
from redis.exceptions import RedisError

_RAISE_GENERATION = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local generation = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0') + 1)
redis.call('SET', KEYS[1], string.format('%.0f', generation), 'PX', ARGV[1])
return redis.call('UNLINK', KEYS[2])
"""
"""A raised generation refuses the fill of a compute that still runs older code (`push/adapters/redis/lua`)."""

_KEPT_MS = 24 * 60 * 60 * 1000
_PAGE_NAMES = 500


async def remove_results(redis_url: str, computes: Iterable[str]) -> int:
    """Remove the results of computes and return their number; an unreachable Redis keeps them until they expire."""
    removed = 0
    try:
        async with Redis.from_url(redis_url) as redis:
            for compute in computes:
                async for name in redis.scan_iter(match=f"{{*/{compute}@*}}:result", count=_PAGE_NAMES):
                    generation = name.removesuffix(b":result") + b":generation"
                    await redis.eval(_RAISE_GENERATION, 2, generation, name, _KEPT_MS)
                    removed += 1
    except RedisError:
        return removed
    return removed
