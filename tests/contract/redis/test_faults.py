"""What the Redis clients do when Redis or the way to it is not as it should be."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from push.adapters.redis.connection import AsyncRedis, Script
from push.circuit_breaker import FAILURES_TO_OPEN
from push.errors import CacheUnavailableError
from push.settings import CacheSettings
from tests.contract.redis.clients import Client, open_client
from tests.patience import PATIENCE_SECONDS
from tests.servers.faulty_network import FaultyNetwork
from tests.servers.valkey import ask, free_port, valkey

SECONDS = PATIENCE_SECONDS
"""Within so long Redis is used again after it came back; the longest pause of the circuit breaker is one second."""

MAX_TRIES = 2

SOURCE = "return redis.call('INCR', KEYS[1])"
INCREMENT = Script(SOURCE, hashlib.sha1(SOURCE.encode(), usedforsecurity=False).hexdigest())
UNKNOWN = Script(SOURCE, "not the script's hash, so that the server never knows it")


@pytest.fixture
def port() -> Iterator[int]:
    """A server of the test's own."""
    with valkey() as url:
        yield urlsplit(url).port or 0


@pytest.fixture
async def network(port: int) -> AsyncIterator[FaultyNetwork]:
    async with FaultyNetwork(port) as network:
        yield network


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, network: FaultyNetwork) -> AsyncIterator[Client]:
    settings = CacheSettings(cache_url=f"redis://127.0.0.1:{network.port}/0", cache_timeout_ms=50)
    async with open_client(request.param, settings) as client:
        yield client


@pytest.fixture(params=["sync", "async"])
async def patient(request: pytest.FixtureRequest, network: FaultyNetwork) -> AsyncIterator[Client]:
    """A client that takes a busy machine for no fault: where a server that is there answers everything."""
    milliseconds = int(PATIENCE_SECONDS * 1000)
    settings = CacheSettings(
        cache_url=f"redis://127.0.0.1:{network.port}/0",
        cache_timeout_ms=milliseconds,
        cache_connect_timeout_ms=milliseconds,
    )
    async with open_client(request.param, settings) as client:
        yield client


async def is_served(client: Client, *command: str | int) -> bool:
    try:
        await client.run(*command)
    except CacheUnavailableError:
        return False
    return True


async def until_served(client: Client, *command: str | int) -> None:
    async with asyncio.timeout(SECONDS):
        while not await is_served(client, *command):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


async def until_away(client: Client) -> None:
    """Have the circuit breaker open."""
    for _ in range(FAILURES_TO_OPEN):
        assert not await is_served(client, "GET", "key")


Break = Callable[[FaultyNetwork], Awaitable[None]]


async def swallow(network: FaultyNetwork) -> None:
    network.swallow()


async def delay(network: FaultyNetwork) -> None:
    network.delay(0.2)


async def reset(network: FaultyNetwork) -> None:
    network.reset()


async def refuse(network: FaultyNetwork) -> None:
    await network.refuse()


faults = pytest.mark.parametrize("fault", [swallow, delay, reset, refuse], ids=lambda fault: fault.__name__)


@pytest.mark.parametrize("fault", [swallow, delay, reset], ids=lambda fault: fault.__name__)
async def test_a_command_is_tried_twice_each_time_on_a_connection_of_its_own(
    client: Client, network: FaultyNetwork, fault: Break
) -> None:
    await fault(network)
    assert not await is_served(client, "GET", "key")
    # A new connection begins with a question, so a try waits for one connection and one answer.
    assert (network.connections, network.requests) == (MAX_TRIES, MAX_TRIES)


@faults
async def test_commands_fail_without_the_network_once_enough_tries_have_failed(
    client: Client, network: FaultyNetwork, fault: Break
) -> None:
    await until_served(client, "PING")
    await fault(network)
    await until_away(client)
    await network.refuse()
    await network.heal()
    network.reset()
    before = network.connections
    for _ in range(100):
        assert not await is_served(client, "GET", "key")
    # It may have been the time for a probe, or for a few on a busy machine.
    assert network.connections - before <= 10


@faults
async def test_a_server_that_can_be_reached_again_is_used_again(
    client: Client, network: FaultyNetwork, fault: Break
) -> None:
    await fault(network)
    await until_away(client)
    await network.heal()
    await until_served(client, "GET", "key")
    assert [await is_served(client, "GET", "key") for _ in range(20)] == [True] * 20


async def test_a_connection_that_ended_meanwhile_is_not_noticed(patient: Client, network: FaultyNetwork) -> None:
    await until_served(patient, "PING")
    network.reset()
    await network.heal()
    assert await patient.run("SET", "key", "value")


async def test_commands_that_wait_for_a_connection_learn_that_redis_went_away(network: FaultyNetwork) -> None:
    settings = CacheSettings(cache_url=f"redis://127.0.0.1:{network.port}/0", cache_timeout_ms=50)
    redis = AsyncRedis(settings)
    network.swallow()
    outcomes = await asyncio.gather(*(redis.run("GET", "key") for _ in range(500)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {CacheUnavailableError}
    assert network.requests <= 2 * 8  # two rounds of as many as there may be connections
    await redis.close()


async def test_a_cancelled_command_leaves_its_answer_to_nobody_else(network: FaultyNetwork) -> None:
    redis = AsyncRedis(CacheSettings(cache_url=f"redis://127.0.0.1:{network.port}/0", cache_timeout_ms=1000))
    await redis.run("SET", "mine", "secret")
    network.delay(0.05)
    for _ in range(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await redis.run("GET", "mine")
    await network.heal()
    assert [await redis.run("GET", "theirs") for _ in range(10)] == [None] * 10
    await redis.close()


async def test_a_server_that_stalls_is_used_again_when_it_goes_on(client: Client, port: int) -> None:
    await until_served(client, "PING")
    assert ask(port, b"CLIENT PAUSE 500 ALL").startswith(b"+OK")
    assert not await is_served(client, "GET", "key")
    await until_served(client, "GET", "key")


async def test_a_server_that_is_started_anew_on_its_port_is_used_again() -> None:
    port = free_port()
    for kind in ("sync", "async"):
        settings = CacheSettings(cache_url=f"redis://127.0.0.1:{port}/0", cache_timeout_ms=50)
        async with open_client(kind, settings) as client:
            with ExitStack() as stack:
                stack.enter_context(valkey(port=port))
                assert await client.run_script(INCREMENT, ("count",), ()) == 1
            assert not await is_served(client, "GET", "key")
            with valkey(port=port):
                await until_served(client, "GET", "key")
                # It is empty, of scripts, too.
                assert await client.run_script(INCREMENT, ("count",), ()) == 1


async def test_a_script_that_the_server_forgot_is_sent_whole(patient: Client, port: int) -> None:
    for number in range(1, 4):
        assert await patient.run_script(INCREMENT, ("count",), ()) == number
        assert ask(port, b"SCRIPT FLUSH").startswith(b"+OK")


async def test_a_forgotten_script_is_no_failure(patient: Client) -> None:
    for number in range(1, 3 * FAILURES_TO_OPEN):
        assert await patient.run_script(UNKNOWN, ("count",), ()) == number


async def test_out_of_memory_refuses_writes_and_not_reads(patient: Client, port: int) -> None:
    await patient.run("SET", "key", "value")
    assert ask(port, b"CONFIG SET maxmemory 1").startswith(b"+OK")
    for _ in range(2 * FAILURES_TO_OPEN):
        assert not await is_served(patient, "SET", "key", "other")
    assert await patient.run("GET", "key") == b"value"
    assert ask(port, b"CONFIG SET maxmemory 0").startswith(b"+OK")
    assert await is_served(patient, "SET", "key", "other")


async def test_what_redis_refuses_is_not_tried_again(patient: Client, network: FaultyNetwork) -> None:
    await patient.run("SET", "key", "value")
    before = network.requests
    with pytest.raises(CacheUnavailableError, match="WRONGTYPE"):
        await patient.run("ZCARD", "key")
    assert network.requests == before + 1


async def test_a_demoted_primary_is_left_for_the_new_one(client: Client, network: FaultyNetwork, port: int) -> None:
    """The name in the URL leads to the new primary; connections that are still open to the old one do not."""
    await client.run("SET", "key", "value")
    assert ask(port, b"REPLICAOF 127.0.0.1 1").startswith(b"+OK")
    with valkey() as new:
        network.lead_to(urlsplit(new).port or 0)
        assert await client.run("SET", "key", "new value")
        assert ask(urlsplit(new).port or 0, b"GET key") == b"$9\r\nnew value\r\n"


async def test_a_read_only_server_goes_on_answering_reads(client: Client, port: int) -> None:
    await client.run("SET", "key", "value")
    assert ask(port, b"REPLICAOF 127.0.0.1 1").startswith(b"+OK")
    for _ in range(2 * FAILURES_TO_OPEN):
        assert not await is_served(client, "SET", "key", "other")
        await until_served(client, "GET", "key")
    assert ask(port, b"REPLICAOF NO ONE").startswith(b"+OK")
    await until_served(client, "SET", "key", "other")


async def test_a_replica_that_lost_its_primary_is_away(client: Client, network: FaultyNetwork, port: int) -> None:
    assert ask(port, b"CONFIG SET replica-serve-stale-data no").startswith(b"+OK")
    assert ask(port, b"REPLICAOF 127.0.0.1 1").startswith(b"+OK")
    with pytest.raises(CacheUnavailableError, match="Link with MASTER"):
        await client.run("GET", "key")
    assert network.connections == MAX_TRIES
    await until_away(client)
    assert ask(port, b"REPLICAOF NO ONE").startswith(b"+OK")
    await until_served(client, "GET", "key")


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_cluster_that_is_not_there_can_be_named_and_asked_later(kind: str) -> None:
    """An execution environment that starts while Redis is away must come up, and use Redis when it is back."""
    settings = CacheSettings(cache_url=f"redis://127.0.0.1:{free_port()}/0?cluster=true", cache_timeout_ms=50)
    async with open_client(kind, settings) as client:
        for _ in range(2 * FAILURES_TO_OPEN):
            assert not await is_served(client, "GET", "key")
