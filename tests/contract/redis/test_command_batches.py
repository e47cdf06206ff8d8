"""Commands given at once go in one round trip, and each gets its own reply or error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from push.adapters.redis.command_batches import MOST_BYTES, MOST_COMMANDS, Command, CommandBatcher
from push.adapters.redis.connection import AsyncRedis, Script
from push.errors import CacheUnavailableError
from push.settings import CacheSettings

APPEND = Script("return redis.call('APPEND', KEYS[1], ARGV[1])", "not the script's hash: no server ever knows it")


@pytest.fixture(params=["one server", "cluster"])
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[AsyncRedis]:
    name = "redis_url" if request.param == "one server" else "redis_cluster_url"
    client = AsyncRedis(CacheSettings(cache_url=request.getfixturevalue(name), cache_timeout_ms=2000))
    yield client
    await client.close()


async def test_each_gets_its_own_reply(redis: AsyncRedis) -> None:
    names = [f"together:{number}" for number in range(3 * MOST_COMMANDS)]
    await asyncio.gather(*(redis.run("SET", name, name) for name in names))
    replies = await asyncio.gather(*(redis.run("GET", name) for name in names))
    assert replies == [name.encode() for name in names]


async def test_an_error_is_its_own_commands_alone(redis: AsyncRedis) -> None:
    await redis.run("SET", "together:text", "x")
    replies = await asyncio.gather(
        redis.run("GET", "together:text"),
        redis.run("LPUSH", "together:text", "1"),
        redis.run("GET", "together:text"),
        return_exceptions=True,
    )
    assert replies[0] == replies[2] == b"x"
    assert isinstance(replies[1], CacheUnavailableError)


async def test_scripts_that_the_server_does_not_know_are_sent_whole(redis: AsyncRedis) -> None:
    names = [f"together:{{{number}}}" for number in range(20)]
    await asyncio.gather(*(redis.run("DEL", name) for name in names))
    lengths = await asyncio.gather(*(redis.run_script(APPEND, [name], ["ab"]) for name in names))
    assert lengths == [2] * len(names)


async def test_who_gives_up_waiting_disturbs_nobody(redis: AsyncRedis) -> None:
    await redis.run("SET", "together:kept", "x")
    given_up = asyncio.ensure_future(redis.run("GET", "together:kept"))
    kept = asyncio.ensure_future(redis.run("GET", "together:kept"))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await kept == b"x"


class Recording:
    """Answers each command with its second word, and notes what came together."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Command]] = []

    async def execute(self, commands: Sequence[Command]) -> list[Any]:
        self.batches.append(commands)
        return [command[1] for command in commands]


async def test_one_turns_commands_are_one_batch_and_the_nexts_another() -> None:
    recording = Recording()
    together = CommandBatcher(recording.execute)
    assert await asyncio.gather(*(together.run(("GET", str(each))) for each in range(3))) == ["0", "1", "2"]
    assert await together.run(("GET", "3")) == "3"
    assert [len(batch) for batch in recording.batches] == [3, 1]


@pytest.mark.parametrize(
    ("size", "count", "batches"), [(1, MOST_COMMANDS + 1, [MOST_COMMANDS, 1]), (MOST_BYTES, 3, [1, 1, 1])]
)
async def test_a_batch_is_bounded(size: int, count: int, batches: list[int]) -> None:
    recording = Recording()
    together = CommandBatcher(recording.execute)
    await asyncio.gather(*(together.run(("SET", "x" * size)) for _ in range(count)))
    assert [len(batch) for batch in recording.batches] == batches


async def test_all_of_a_batch_that_fails_hear_of_it() -> None:
    async def fail(_commands: Sequence[Command]) -> list[Any]:
        raise ConnectionResetError

    together = CommandBatcher(fail)
    replies = await asyncio.gather(*(together.run(("GET", "x")) for _ in range(3)), return_exceptions=True)
    assert [type(reply) for reply in replies] == [ConnectionResetError] * 3
