"""Redis in cluster mode, as ElastiCache Serverless always is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.crc import key_slot

import push.adapters.redis
from push.adapters.redis.connection import AsyncRedis, Script, load_script
from push.adapters.redis.leaderboards import MAX_CHANGED, RedisLeaderboards
from push.adapters.redis.leases import RedisLeases
from push.adapters.redis.tags import RedisTags
from push.cache.jobs import Waiter
from push.cache.ports import Claimed
from push.computes import Tenant
from push.errors import CacheUnavailableError
from push.settings import CacheSettings
from push.sources.boards import ChangedMembers, RefreshedMembers, Top
from tests.builders.results import NOW_MS, make_result, unique_key
from tests.contract.redis.clients import Client, open_client
from tests.patience import PATIENCE_SECONDS
from tests.servers.faulty_network import FaultyNetwork, clustered_networks
from tests.servers.valkey import ask, ports_of_cluster, valkey_cluster

pytestmark = pytest.mark.slow

ARGUMENTS_PER_REQUEST = 3_999
"""ElastiCache Serverless takes no more (Amazon ElastiCache User Guide, "Redis OSS and Valkey configuration")."""

SCRIPT = Script("return redis.call('INCR', KEYS[1])", "not the script's hash, so that the server never knows it")

both = pytest.mark.parametrize("kind", ["sync", "async"])


def settings(url: str) -> CacheSettings:
    return CacheSettings(cache_url=url, cache_timeout_ms=1000, cache_connect_timeout_ms=1000)


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, redis_cluster_url: str) -> AsyncIterator[Client]:
    async with open_client(request.param, settings(redis_cluster_url)) as client:
        yield client


async def test_a_script_that_a_node_does_not_know_is_sent_whole(client: Client) -> None:
    keys = [unique_key().storage for _ in range(20)]
    assert [await client.run_script(SCRIPT, (key,), ()) for key in keys] == [1] * 20


@pytest.fixture
def moving() -> Iterator[list[int]]:
    """A cluster of the test's own, of which slots are moved: its ports."""
    with valkey_cluster() as url:
        yield ports_of_cluster(urlsplit(url).port or 0)


@both
async def test_a_slot_that_moved_is_followed(moving: list[int], kind: str) -> None:
    slot = key_slot(b"key")
    async with open_client(kind, settings(f"redis://127.0.0.1:{moving[0]}/0?cluster=true")) as client:
        await client.run("GET", "key")
        ids = [ask(port, b"CLUSTER MYID").decode().split("\r\n")[1] for port in moving]
        new_owner = next(number for number, port in enumerate(moving) if ask(port, b"GET key").startswith(b"-MOVED"))
        for port in moving:
            assert ask(port, f"CLUSTER SETSLOT {slot} NODE {ids[new_owner]}".encode()).startswith(b"+OK")
        assert await client.run("SET", "key", "value")
        assert await client.run_script(SCRIPT, ("{key}:count",), ()) == 1
    assert ask(moving[new_owner], b"GET key").startswith(b"$5\r\nvalue")


@both
async def test_without_cluster_mode_the_error_says_that_the_slot_is_elsewhere(
    redis_cluster_url: str, kind: str
) -> None:
    async with open_client(kind, settings(redis_cluster_url.partition("?")[0])) as client:
        with pytest.raises(CacheUnavailableError, match=r"127\.0\.0\.1"):
            await ask_for_many(client)


async def ask_for_many(client: Client) -> None:
    for number in range(20):
        await client.run("GET", f"key {number}")


@pytest.fixture
async def networks() -> AsyncIterator[list[FaultyNetwork]]:
    async with clustered_networks() as networks:
        yield networks


@both
async def test_a_command_costs_at_most_two_tries_and_one_look_at_every_node(
    networks: list[FaultyNetwork], kind: str
) -> None:
    url = f"redis://127.0.0.1:{networks[0].port}/0?cluster=true"
    async with open_client(kind, CacheSettings(cache_url=url, cache_timeout_ms=250)) as client:
        await ask_for_many(client)
        for network in networks:
            network.swallow()
        before = sum(network.requests for network in networks)
        with pytest.raises(CacheUnavailableError):
            await client.run("GET", "key")
        assert sum(network.requests for network in networks) - before <= 2 + len(networks)
        for _ in range(10):
            assert not await is_served(client, "key")
        before = sum(network.requests for network in networks)
        for _ in range(100):
            assert not await is_served(client, "key")
        assert sum(network.requests for network in networks) - before <= 10  # probes
        for network in networks:
            await network.heal()
        await until_served(client, "key")


@both
async def test_one_node_that_is_away_takes_only_its_own_keys_with_it(networks: list[FaultyNetwork], kind: str) -> None:
    url = f"redis://127.0.0.1:{networks[0].port}/0?cluster=true"
    async with open_client(kind, CacheSettings(cache_url=url, cache_timeout_ms=250)) as client:
        await ask_for_many(client)
        await networks[1].refuse()
        outcomes = [await is_served(client, f"key {number}") for number in range(20)]
        assert True in outcomes
        assert False in outcomes
        await networks[1].heal()
        for number in range(20):
            await until_served(client, f"key {number}")


async def is_served(client: Client, key: str) -> bool:
    try:
        await client.run("GET", key)
    except CacheUnavailableError:
        return False
    return True


async def until_served(client: Client, key: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await is_served(client, key):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


class RecordingRedis(AsyncRedis):
    """Keeps the commands it runs."""

    def __init__(self, settings: CacheSettings) -> None:
        super().__init__(settings)
        self.commands: list[tuple[Any, ...]] = []

    async def run(self, *command: Any) -> Any:
        self.commands.append(command)
        return await super().run(*command)

    @property
    def scripts(self) -> list[tuple[str, ...]]:
        """The keys of each script."""
        return [command[3 : 3 + command[2]] for command in self.commands if command[0] in ("EVAL", "EVALSHA")]


@pytest.fixture
async def recording(redis_cluster_url: str) -> AsyncIterator[RecordingRedis]:
    redis = RecordingRedis(settings(redis_cluster_url))
    yield redis
    await redis.close()


async def test_no_command_has_more_arguments_than_a_request_may_have(recording: RecordingRedis) -> None:
    leases, boards, key = RedisLeases(recording), RedisLeaderboards(recording), unique_key()
    waiters = [Waiter(f"connection {number}", "1") for number in range(5000)]
    scores = {f"member {number}": float(number) for number in range(5000)}
    await leases.settle(key, waiters)
    board = key.digest
    token = await boards.begin_rebuild(Tenant("acme"), board, 0)
    assert token
    await boards.end_rebuild(Tenant("acme"), board, token, dict(scores))
    await boards.mark_changed(Tenant("acme"), board, list(scores)[:MAX_CHANGED])
    changed = await boards.read(Tenant("acme"), board, Top(1000), 0)
    assert isinstance(changed, ChangedMembers)
    assert await boards.read(Tenant("acme"), board, Top(1000), 0, RefreshedMembers(changed, scores))
    await boards.mark_changed(Tenant("acme"), board, scores)
    assert max(len(command) for command in recording.commands) > 1000
    assert max(len(command) for command in recording.commands) <= ARGUMENTS_PER_REQUEST


async def test_the_keys_of_each_script_share_a_slot(recording: RecordingRedis) -> None:
    leases, boards, tags, key = RedisLeases(recording), RedisLeaderboards(recording), RedisTags(recording), unique_key()
    claimed = await leases.claim(key, "queued 1", 4000, {})
    assert isinstance(claimed, Claimed)
    await leases.renew(key, claimed.token, 4000, NOW_MS)
    await leases.fill(key, claimed, make_result(), 4000, NOW_MS)
    await tags.enlist(key, ("a", "b"), 1000)
    await tags.invalidate(key.tenant, ("a", "b"))
    await leases.release(key, claimed.token, "queued 2")
    token = await boards.begin_rebuild(Tenant("acme"), key.digest, 0)
    assert token
    await boards.end_rebuild(Tenant("acme"), key.digest, token, {"member": 1.0})
    await boards.mark_changed(Tenant("acme"), key.digest, ["member"])
    await boards.read(Tenant("acme"), key.digest, Top(1), 0)
    assert len(recording.scripts) >= 10
    for keys in recording.scripts:
        assert len({key_slot(name.encode()) for name in keys}) == 1, keys


SCRIPTS = sorted(path.stem for path in (Path(push.adapters.redis.__file__).parent / "lua").glob("*.lua"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_touches_no_key_that_it_is_not_given(name: str) -> None:
    """Else the cluster could not know which node it is for; so says `EVAL` in the commands' reference."""
    calls = re.findall(r"redis\.p?call\(\s*'\w+',\s*(.+?)[,)]", load_script(name).source)
    assert calls
    assert [key for key in calls if not key.startswith("KEYS[")] == []
