"""What an error of Redis means for a command, and for those that follow."""

from __future__ import annotations

import pytest
import redis.exceptions
from redis._parsers.base import BaseParser

from push.adapters.redis.tries import LONGEST_PAUSE_SECONDS, MAX_TRIES, Fault, Tries, classify, means_failover
from push.circuit_breaker import FAILURES_TO_OPEN, FIRST_PAUSE_MS
from push.errors import CacheUnavailableError
from tests.fakes.clock import Clock


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ("LOADING Valkey is loading the dataset in memory", Fault.LOST),
        ("CLUSTERDOWN The cluster is down", Fault.LOST),
        ("CLUSTERDOWN Hash slot not served", Fault.LOST),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", Fault.LOST),
        ("READONLY You can't write against a read only replica.", Fault.LOST),
        ("ERR max number of clients reached", Fault.LOST),
        ("NOAUTH Authentication required.", Fault.AWAY),
        ("WRONGPASS invalid username-password pair or user is disabled.", Fault.AWAY),
        ("OOM command not allowed when used memory > 'maxmemory'.", Fault.REFUSED),
        ("NOPERM User app has no permissions to run the 'set' command", Fault.REFUSED),
        ("MOVED 866 127.0.0.1:6379", Fault.REFUSED),
        ("CROSSSLOT Keys in request don't hash to the same slot", Fault.REFUSED),
        ("BUSY Valkey is busy running a script.", Fault.REFUSED),
        ("NOREPLICAS Not enough good replicas to write.", Fault.REFUSED),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", Fault.REFUSED),
        ("ERR unknown command 'DANCE'", Fault.REFUSED),
    ],
)
def test_every_reply_has_a_meaning(reply: str, fault: Fault) -> None:
    assert classify(BaseParser.parse_error(reply)) is fault


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (redis.exceptions.ConnectionError("Connection closed by server."), Fault.LOST),
        (redis.exceptions.TimeoutError("Timeout reading from socket"), Fault.LOST),
        (ConnectionResetError(), Fault.LOST),
        (TimeoutError(), Fault.LOST),
        (redis.exceptions.RedisClusterException("Redis Cluster cannot be connected."), Fault.AWAY),
        (redis.exceptions.SlotNotCoveredError("Slot 1 is not covered by the cluster."), Fault.AWAY),
    ],
)
def test_everything_that_goes_wrong_on_the_way_has_a_meaning(error: Exception, fault: Fault) -> None:
    assert classify(error) is fault


@pytest.mark.parametrize("reply", ["READONLY no", "MASTERDOWN no", "CLUSTERDOWN no"])
def test_what_is_no_longer_the_primary_is_left(reply: str) -> None:
    assert means_failover(BaseParser.parse_error(reply))


LOST = redis.exceptions.TimeoutError("Timeout reading from socket")
REFUSED = BaseParser.parse_error("OOM command not allowed when used memory > 'maxmemory'.")
UNKNOWN_SCRIPT = BaseParser.parse_error("NOSCRIPT No matching script.")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tries(clock: Clock) -> Tries:
    return Tries(clock, random=lambda: 0.5)


def lose(tries: Tries, times: int) -> None:
    for _ in range(times):
        tries.begin()
        tries.fail("GET", LOST, 1)


def test_a_lost_try_is_followed_by_another_after_a_jittered_pause(tries: Tries) -> None:
    assert tries.fail("GET", LOST, 1) == LONGEST_PAUSE_SECONDS / 2


def test_the_last_try_that_is_lost_ends_the_command(tries: Tries) -> None:
    with pytest.raises(CacheUnavailableError, match="GET"):
        tries.fail("GET", LOST, MAX_TRIES)


def test_what_was_refused_ends_the_command(tries: Tries) -> None:
    with pytest.raises(CacheUnavailableError, match="maxmemory"):
        tries.fail("SET", REFUSED, 1)


def test_enough_lost_tries_keep_commands_from_being_sent(tries: Tries) -> None:
    lose(tries, FAILURES_TO_OPEN)
    with pytest.raises(CacheUnavailableError, match="Redis is unavailable"):
        tries.begin()


def test_a_probe_that_is_answered_lets_commands_be_sent_again(tries: Tries, clock: Clock) -> None:
    lose(tries, FAILURES_TO_OPEN)
    clock.advance(FIRST_PAUSE_MS)
    tries.begin()
    tries.succeed()
    tries.begin()


@pytest.mark.parametrize("answer", [REFUSED, UNKNOWN_SCRIPT], ids=["refused", "unknown script"])
def test_an_error_that_redis_answered_shows_that_it_is_there(tries: Tries, clock: Clock, answer: Exception) -> None:
    lose(tries, FAILURES_TO_OPEN)
    clock.advance(FIRST_PAUSE_MS)
    tries.begin()
    with pytest.raises((CacheUnavailableError, redis.exceptions.NoScriptError)):
        tries.fail("EVALSHA", answer, 1)
    tries.begin()


def test_credentials_that_are_refused_again_and_again_keep_commands_from_being_sent(tries: Tries) -> None:
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(CacheUnavailableError):
            tries.fail("GET", BaseParser.parse_error("WRONGPASS invalid username-password pair"), 1)
    with pytest.raises(CacheUnavailableError, match="Redis is unavailable"):
        tries.begin()
