"""Measure what a change costs if very many results carry its tag, and if one result carries very many tags.

The benchmark stores results in a Valkey server of its own and invalidates them as the changes function does. The
figures are the time until all are stale, the CPU of the one client process, and the median time in the server of the
slowest kind of script, by its SLOWLOG: while a script runs, the server serves nobody else.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._measuring import print_table
from push.adapters.redis.connection import AsyncRedis, Script, result_name
from push.adapters.redis.tags import RedisTags
from push.computes import Tenant
from push.keys import Key
from push.settings import CacheSettings
from tests.servers.valkey import valkey

TENANT = Tenant("acme")
KEEP_MS = 3_600_000
NOTED_FROM_US = 100
"""Of shorter scripts the server notes nothing: noting each command inside a script would double its time."""

TAGS_OF_A_BATCH = 1000
"""A batch of a stream has 100 records; a change of a row raises some ten tags."""

AT_ONCE = 500
TIMES = 20


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    title: str
    keys: int
    wall_ms: float
    cpu_ms: float
    script_us: float
    """0 if it is shorter than what is noted."""

    def cells(self) -> tuple[str, ...]:
        script = f"{self.script_us / 1000:.1f}" if self.script_us else f"under {NOTED_FROM_US / 1000:.1f}"
        return self.title, f"{self.keys:,}", f"{self.wall_ms:,.1f}", f"{self.cpu_ms:,.1f}", script


class CountingRedis(AsyncRedis):
    """Counts the calls of each script."""

    def __init__(self, settings: CacheSettings) -> None:
        super().__init__(settings)
        self.calls: Counter[bytes] = Counter()

    async def run_script(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:  # noqa: ANN401
        self.calls[script.sha.encode()] += 1
        return await super().run_script(script, keys, args)

    async def slowest_us(self) -> float:
        """Return the median time of the slowest kind of script, among those whose calls are mostly noted."""
        noted = defaultdict[bytes, list[int]](list)
        for _, _, took_us, command, *_ in await self.run("SLOWLOG", "GET", "-1"):
            if command[0] == b"EVALSHA":
                noted[command[1]].append(took_us)
        return max((statistics.median(noted[sha]) for sha in noted if 2 * len(noted[sha]) > self.calls[sha]), default=0)


class Stored:
    """Results in Redis, and their tags."""

    def __init__(self, redis: CountingRedis) -> None:
        self._redis = redis
        self.tags = RedisTags(redis)

    async def store(self, count: int, tags: Sequence[str]) -> list[Key]:
        """Store results of one byte each under the tags."""
        keys = [Key(TENANT, "benchmark", 1, uuid.uuid4().hex) for _ in range(count)]
        for start in range(0, count, AT_ONCE):
            await asyncio.gather(*(self.enlist(key, tags) for key in keys[start : start + AT_ONCE]))
        return keys

    async def enlist(self, key: Key, tags: Sequence[str]) -> int:
        await self._redis.run("SET", result_name(key), b"\0" * 64, "PX", KEEP_MS)
        await self.tags.enlist(key, tags, KEEP_MS)
        return 1

    async def measure(self, title: str, do: Callable[[], Awaitable[int]], times: int = 1) -> Row:
        """Return the medians of some times."""
        await self._redis.run("SLOWLOG", "RESET")
        self._redis.calls.clear()
        wall_ms, cpu_ms, keys = [], [], 0
        for _ in range(times):
            began, began_cpu = time.perf_counter(), time.process_time()
            keys = await do()
            wall_ms.append((time.perf_counter() - began) * 1000)
            cpu_ms.append((time.process_time() - began_cpu) * 1000)
        script_us = await self._redis.slowest_us()
        return Row(title, keys, statistics.median(wall_ms), statistics.median(cpu_ms), script_us)


async def measure(url: str, results: int, tags_of_result: int) -> list[Row]:
    redis = CountingRedis(CacheSettings(cache_url=url, cache_timeout_ms=30_000))
    await redis.run("CONFIG", "SET", "slowlog-log-slower-than", NOTED_FROM_US, "slowlog-max-len", 10_000)
    stored, numbers = Stored(redis), itertools.count()
    many, few = ["@orders"], [f"@orders#{number}" for number in range(tags_of_result)]
    await stored.store(results, many)
    (key,) = await stored.store(1, few)
    await stored.tags.invalidate(None, ["@warm"])  # the connection is open, and the server knows the scripts
    rows = [
        await stored.measure(f"a tag of {results:,} results", lambda: stored.tags.invalidate(None, many)),
        await stored.measure("the same tag again at once", lambda: stored.tags.invalidate(None, many), TIMES),
        await stored.measure(
            f"{tags_of_result} tags of one result, at its fill", lambda: stored.enlist(key, few), TIMES
        ),
        await stored.measure(f"{tags_of_result} tags of one result", lambda: stored.tags.invalidate(None, few)),
        await stored.measure(
            f"{TAGS_OF_A_BATCH:,} tags of a batch, of no results",
            lambda: stored.tags.invalidate(None, [f"@new#{next(numbers)}" for _ in range(TAGS_OF_A_BATCH)]),
            TIMES,
        ),
    ]
    await redis.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=int, default=100_000)
    parser.add_argument("--tags", type=int, default=100)
    options = parser.parse_args()
    with valkey() as url:
        rows = asyncio.run(measure(url, options.results, options.tags))
    columns = ("", "results", "ms", "CPU of the client, ms", "slowest kind of script, ms")
    print_table(columns, [row.cells() for row in rows])


if __name__ == "__main__":
    main()
