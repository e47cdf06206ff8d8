"""The contract of `ResultStore` and `Leases`, held by Redis, by Redis in cluster mode, and by the tests' model."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from push.adapters.redis.connection import AsyncRedis, SyncRedis, generation_name
from push.adapters.redis.leases import RedisLeases
from push.adapters.redis.results import RedisResults
from push.cache.jobs import Waiter
from push.cache.ports import Busy, Claimed, FillOutcome, Leases, Parked, ParkOutcome, ResultStore
from push.keys import Key
from push.results import Result
from push.settings import CacheSettings
from tests.builders.results import NOW_MS, make_result, unique_key
from tests.fakes.cache import CacheModel, FakeLeases, FakeResults
from tests.fakes.clock import Clock

TERM_MS = 4000
DEADLINE_MS = NOW_MS + 30_000
ANN, BEN, EVA = Waiter("ann=", "1"), Waiter("ben=", "1"), Waiter("eva=", "1")


@dataclass(frozen=True)
class Cache:
    """Both ports on one store; `pass_ms` lets time pass, `invalidate` raises a key's generation."""

    results: ResultStore
    leases: Leases
    pass_ms: Callable[[int], Awaitable[None]]
    invalidate: Callable[[Key], Awaitable[None]]

    def park(self, key: Key, waiter: Waiter | None, deadline_ms: int = DEADLINE_MS, token: str = "queued 1") -> Parked:
        return self.results.park(key, self.results.read(key), waiter, deadline_ms, token)

    async def claim(self, key: Key, token: str = "queued 1", term_ms: int = TERM_MS) -> Claimed:
        claimed = await self.leases.claim(key, token, term_ms, {})
        assert isinstance(claimed, Claimed)
        return claimed

    async def store(self, key: Key, result: Result) -> None:
        claimed = await self.claim(key)
        filled = await self.leases.fill(key, claimed, result, TERM_MS, NOW_MS)
        assert filled.outcome is FillOutcome.FILLED
        await self.leases.release(key, claimed.token, "queued 0")


def on_model() -> Cache:
    clock = Clock(NOW_MS)
    model = CacheModel(clock)

    async def pass_ms(milliseconds: int) -> None:
        clock.advance(milliseconds)

    async def invalidate(key: Key) -> None:
        model.invalidate(key)

    return Cache(FakeResults(model), FakeLeases(model), pass_ms, invalidate)


@pytest.fixture(params=["model", "redis_url", "redis_cluster_url"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    if request.param == "model":
        yield on_model()
        return
    settings = CacheSettings(cache_url=request.getfixturevalue(request.param), cache_timeout_ms=2000)
    redis = AsyncRedis(settings)

    async def pass_ms(milliseconds: int) -> None:
        await asyncio.sleep(milliseconds / 1000)

    async def invalidate(key: Key) -> None:
        await redis.run("INCR", generation_name(key))

    yield Cache(RedisResults(SyncRedis(settings)), RedisLeases(redis), pass_ms, invalidate)
    await redis.close()


async def test_a_key_nobody_filled_has_no_result(cache: Cache) -> None:
    assert cache.results.read(unique_key()) is None


async def test_what_was_filled_is_read(cache: Cache) -> None:
    key, result = unique_key(), make_result('{"n":"\u00fc"}'.encode(), source_version=3, tags=("a", "\u00fc"))
    await cache.store(key, result)
    assert cache.results.read(key) == result


@pytest.mark.parametrize("kind", ["hexadecimal", "incompressible"])
async def test_a_result_of_the_largest_size_is_read_and_claimed_whole(cache: Cache, kind: str) -> None:
    noise = hashlib.shake_256(b"seed").digest(6 * 1024 * 1024)
    data = noise.hex()[: len(noise)].encode() if kind == "hexadecimal" else noise
    key, result = unique_key(), make_result(data)
    await cache.store(key, result)
    assert cache.results.read(key) == result
    assert (await cache.claim(key)).result == result


async def test_a_result_is_unchanged_until_another_one_is_filled(cache: Cache) -> None:
    key, result = unique_key(), make_result(b"1")
    assert not cache.results.is_unchanged(key, result)
    await cache.store(key, result)
    assert cache.results.is_unchanged(key, result)
    await cache.store(key, make_result(b"2"))
    assert not cache.results.is_unchanged(key, result)


async def test_the_first_to_park_leads_and_the_others_follow(cache: Cache) -> None:
    key = unique_key()
    outcomes = [cache.park(key, waiter, token=f"queued {waiter}").outcome for waiter in (ANN, BEN, EVA)]
    assert outcomes == [ParkOutcome.LEADER, ParkOutcome.FOLLOWER, ParkOutcome.FOLLOWER]
    assert set(await cache.leases.waiters(key)) == {ANN, BEN, EVA}


async def test_the_first_to_wait_for_somebody_elses_work_is_told_so(cache: Cache) -> None:
    key = unique_key()
    assert cache.park(key, None, token="refresh").outcome is ParkOutcome.LEADER
    outcomes = [cache.park(key, waiter, token=f"queued {waiter}").outcome for waiter in (ANN, BEN)]
    assert outcomes == [ParkOutcome.FIRST_FOLLOWER, ParkOutcome.FOLLOWER]
    assert cache.park(key, None, token="another").outcome is ParkOutcome.FOLLOWER


async def test_keys_of_two_tenants_have_leases_and_waiters_of_their_own(cache: Cache) -> None:
    key = unique_key("acme")
    other = Key(unique_key("globex").tenant, key.compute, key.version, key.digest)
    assert cache.park(key, ANN).outcome is ParkOutcome.LEADER
    assert cache.park(other, BEN).outcome is ParkOutcome.LEADER
    await cache.store(key, make_result())
    assert cache.results.read(other) is None
    assert await cache.leases.waiters(other) == (BEN,)


async def test_parking_without_a_waiter_tries_for_the_lease_only(cache: Cache) -> None:
    key = unique_key()
    assert cache.park(key, None).outcome is ParkOutcome.LEADER
    assert await cache.leases.waiters(key) == ()


async def test_parking_twice_is_one_waiter_with_the_later_deadline(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN, NOW_MS + 1000)
    cache.park(key, ANN, NOW_MS + 2000)
    claimed = await cache.claim(key)
    assert (claimed.waiting, claimed.next_deadline_ms) == (1, NOW_MS + 2000)


async def test_nobody_parks_on_a_result_he_has_not_seen(cache: Cache) -> None:
    key, result = unique_key(), make_result()
    await cache.store(key, result)
    parked = cache.results.park(key, None, ANN, DEADLINE_MS, "queued 1")
    assert parked == Parked(ParkOutcome.CHANGED, result)
    assert await cache.leases.waiters(key) == ()


async def test_nobody_parks_on_a_result_that_has_gone_meanwhile(cache: Cache) -> None:
    parked = cache.results.park(unique_key(), make_result(), ANN, DEADLINE_MS, "queued 1")
    assert parked == Parked(ParkOutcome.CHANGED, None)


async def test_he_who_has_seen_the_result_parks(cache: Cache) -> None:
    key, result = unique_key(), make_result()
    await cache.store(key, result)
    assert cache.results.park(key, result, ANN, DEADLINE_MS, "queued 1").outcome is ParkOutcome.LEADER


async def test_unparking_leaves_neither_waiter_nor_lease(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN)
    cache.results.unpark(key, ANN, "queued 1")
    assert await cache.leases.waiters(key) == ()
    assert cache.park(key, BEN, token="queued 2").outcome is ParkOutcome.LEADER


async def test_unparking_touches_nobody_elses_lease(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN, token="queued 1")
    cache.results.unpark(key, BEN, "queued 2")
    assert await cache.leases.waiters(key) == (ANN,)
    assert cache.park(key, BEN, token="queued 3").outcome is ParkOutcome.FOLLOWER


async def test_a_claim_tells_who_waits_and_what_is_stored(cache: Cache) -> None:
    key, result = unique_key(), make_result()
    await cache.store(key, result)
    cache.park(key, ANN, NOW_MS + 2000)
    cache.park(key, BEN, NOW_MS + 1000)
    claimed = await cache.claim(key)
    assert (claimed.result, claimed.waiting, claimed.next_deadline_ms) == (result, 2, NOW_MS + 1000)


async def test_a_claim_on_a_key_nobody_knows_finds_nothing(cache: Cache) -> None:
    claimed = await cache.claim(unique_key())
    assert (claimed.result, claimed.waiting, claimed.next_deadline_ms) == (None, 0, 0)


async def test_a_key_is_claimed_once(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN)
    await cache.claim(key)
    busy = await cache.leases.claim(key, "queued 1", TERM_MS, {})
    assert isinstance(busy, Busy)
    assert not busy.is_watched


async def test_a_busy_key_tells_whether_a_guardian_is_to_look_at_it(cache: Cache) -> None:
    key = unique_key()
    await cache.claim(key)
    await cache.leases.watch(key, 30)
    assert await cache.leases.claim(key, "queued 2", TERM_MS, {}) == Busy(is_watched=True)
    await cache.pass_ms(60)
    assert await cache.leases.claim(key, "queued 2", TERM_MS, {}) == Busy(is_watched=False)


async def test_a_key_tells_whether_a_look_is_to_come(cache: Cache) -> None:
    key = unique_key()
    assert not await cache.leases.is_looked_at(key)
    await cache.leases.note_look(key, 30)
    assert await cache.leases.is_looked_at(key)
    await cache.pass_ms(60)
    assert not await cache.leases.is_looked_at(key)


async def test_a_lease_queued_for_another_job_is_not_claimed(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN, token="queued 1")
    assert isinstance(await cache.leases.claim(key, "queued 2", TERM_MS, {}), Busy)


@pytest.mark.parametrize("token", ["queued 1", "queued 2"])
async def test_a_claim_parks_those_who_came_with_the_job_should_they_not_be(cache: Cache, token: str) -> None:
    key = unique_key()
    cache.park(key, ANN, DEADLINE_MS, token="queued 1")
    came = {ANN: DEADLINE_MS - 5000, BEN: DEADLINE_MS - 1000}
    claimed = await cache.leases.claim(key, token, TERM_MS, came)
    assert set(await cache.leases.waiters(key)) == {ANN, BEN}
    if isinstance(claimed, Claimed):
        assert (claimed.waiting, claimed.next_deadline_ms) == (2, DEADLINE_MS - 1000)


async def test_a_lease_ends_with_its_term(cache: Cache) -> None:
    key = unique_key()
    await cache.claim(key, term_ms=20)
    await cache.pass_ms(40)
    assert isinstance(await cache.leases.claim(key, "queued 2", TERM_MS, {}), Claimed)


async def test_a_renewed_lease_goes_on(cache: Cache) -> None:
    key = unique_key()
    claimed = await cache.claim(key, term_ms=200)
    renewed = await cache.leases.renew(key, claimed.token, TERM_MS, NOW_MS)
    await cache.pass_ms(300)
    assert renewed.is_held
    assert isinstance(await cache.leases.claim(key, "queued 2", TERM_MS, {}), Busy)


async def test_a_renewal_tells_that_the_lease_was_lost(cache: Cache) -> None:
    key = unique_key()
    claimed = await cache.claim(key, term_ms=20)
    await cache.pass_ms(40)
    assert not (await cache.leases.renew(key, claimed.token, TERM_MS, NOW_MS)).is_held
    await cache.claim(key, "queued 2")
    assert not (await cache.leases.renew(key, claimed.token, TERM_MS, NOW_MS)).is_held


async def test_a_renewal_tells_whose_deadline_has_passed_and_whose_is_next(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN, NOW_MS + 1000)
    cache.park(key, BEN, NOW_MS + 2000)
    cache.park(key, EVA, NOW_MS + 3000)
    claimed = await cache.claim(key)
    renewed = await cache.leases.renew(key, claimed.token, TERM_MS, NOW_MS + 1000)
    assert (renewed.expired, renewed.next_deadline_ms) == ((ANN,), NOW_MS + 2000)


async def test_those_past_their_deadline_stay_parked_until_they_are_told(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN, NOW_MS + 1000)
    claimed = await cache.claim(key)
    for _ in range(2):
        renewed = await cache.leases.renew(key, claimed.token, TERM_MS, NOW_MS + 1000)
        assert (renewed.expired, renewed.next_deadline_ms) == ((ANN,), 0)
    await cache.leases.settle(key, renewed.expired)
    assert (await cache.leases.renew(key, claimed.token, TERM_MS, NOW_MS + 1000)).expired == ()


async def test_a_fill_tells_who_waits_and_leaves_them_parked(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN)
    cache.park(key, BEN)
    claimed = await cache.claim(key)
    filled = await cache.leases.fill(key, claimed, make_result(), TERM_MS, NOW_MS)
    assert (filled.outcome, set(filled.waiters)) == (FillOutcome.FILLED, {ANN, BEN})
    assert set(await cache.leases.waiters(key)) == {ANN, BEN}


async def test_the_lease_outlives_the_fill_so_that_the_waiters_can_be_told(cache: Cache) -> None:
    key = unique_key()
    claimed = await cache.claim(key, term_ms=200)
    await cache.leases.fill(key, claimed, make_result(), TERM_MS, NOW_MS)
    await cache.pass_ms(300)
    assert isinstance(await cache.leases.claim(key, "queued 2", TERM_MS, {}), Busy)


async def test_a_fill_after_the_lease_ended_is_refused_and_its_waiters_are_the_fillers_to_tell(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN)
    claimed = await cache.claim(key, term_ms=20)
    await cache.pass_ms(40)
    filled = await cache.leases.fill(key, claimed, make_result(), TERM_MS, NOW_MS)
    assert (filled.outcome, filled.waiters) == (FillOutcome.LOST_LEASE, (ANN,))
    assert cache.results.read(key) is None


async def test_a_fill_while_another_works_is_refused_and_the_waiters_are_left_to_that_one(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN)
    claimed = await cache.claim(key, term_ms=20)
    await cache.pass_ms(40)
    await cache.claim(key, "queued 2")
    filled = await cache.leases.fill(key, claimed, make_result(), TERM_MS, NOW_MS)
    assert (filled.outcome, filled.waiters) == (FillOutcome.LOST_LEASE, ())
    assert cache.results.read(key) is None


async def test_a_fill_that_began_before_an_invalidation_is_refused(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN)
    claimed = await cache.claim(key)
    await cache.invalidate(key)
    filled = await cache.leases.fill(key, claimed, make_result(), TERM_MS, NOW_MS)
    assert (filled.outcome, filled.waiters) == (FillOutcome.OUTDATED, (ANN,))
    assert cache.results.read(key) is None


@pytest.mark.parametrize(
    ("stored", "offered", "outcome"),
    [
        (7, 8, FillOutcome.FILLED),
        (7, 7, FillOutcome.FILLED),
        (7, 6, FillOutcome.SUPERSEDED),
        (2**53 + 1, 2**53, FillOutcome.SUPERSEDED),
        (2**63 + 1, 2**63, FillOutcome.SUPERSEDED),
        (2**64 - 2, 2**64 - 1, FillOutcome.FILLED),
        (2**40, 2**33 + 1, FillOutcome.SUPERSEDED),
    ],
)
async def test_a_fill_never_replaces_a_newer_source_version(
    cache: Cache, stored: int, offered: int, outcome: FillOutcome
) -> None:
    key, older = unique_key(), make_result(b"1", source_version=stored)
    await cache.store(key, older)
    claimed, newer = await cache.claim(key), make_result(b"2", source_version=offered)
    assert (await cache.leases.fill(key, claimed, newer, TERM_MS, NOW_MS)).outcome is outcome
    assert cache.results.read(key) == (newer if outcome is FillOutcome.FILLED else older)


async def test_a_result_is_gone_after_its_stale_time(cache: Cache) -> None:
    key = unique_key()
    await cache.store(key, make_result(fresh_ms=500, stale_ms=600))
    assert cache.results.read(key) is not None
    await cache.pass_ms(1150)
    assert cache.results.read(key) is None


async def test_settled_waiters_wait_no_more(cache: Cache) -> None:
    key = unique_key()
    for waiter in (ANN, BEN, EVA):
        cache.park(key, waiter)
    await cache.leases.settle(key, [ANN, EVA])
    assert await cache.leases.waiters(key) == (BEN,)
    await cache.leases.settle(key, [])
    await cache.leases.settle(key, [ANN])
    assert await cache.leases.waiters(key) == (BEN,)


async def test_thousands_can_wait_and_be_settled(cache: Cache) -> None:
    key = unique_key()
    waiters = [Waiter(f"{number}=", "1") for number in range(2500)]
    for waiter in waiters:
        cache.results.park(key, None, waiter, DEADLINE_MS, "queued 1")
    assert set(await cache.leases.waiters(key)) == set(waiters)
    await cache.leases.settle(key, waiters)
    assert await cache.leases.waiters(key) == ()


async def test_a_lease_given_back_is_free_if_nobody_waits(cache: Cache) -> None:
    key = unique_key()
    claimed = await cache.claim(key)
    assert await cache.leases.release(key, claimed.token, "queued 2") == 0
    assert cache.park(key, ANN, token="queued 3").outcome is ParkOutcome.LEADER


async def test_a_lease_given_back_is_queued_for_the_next_job_if_somebody_waits(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN)
    claimed = await cache.claim(key)
    assert await cache.leases.release(key, claimed.token, "queued 2") == 1
    assert cache.park(key, BEN, token="queued 3").outcome is ParkOutcome.FOLLOWER
    assert isinstance(await cache.leases.claim(key, "queued 2", TERM_MS, {}), Claimed)


async def test_a_lease_queued_for_a_job_that_could_not_be_sent_can_be_freed(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN)
    claimed = await cache.claim(key)
    await cache.leases.release(key, claimed.token, "queued 2")
    await cache.leases.unqueue(key, "another token")
    assert cache.park(key, BEN, token="queued 3").outcome is ParkOutcome.FOLLOWER
    await cache.leases.unqueue(key, "queued 2")
    assert cache.park(key, BEN, token="queued 3").outcome is ParkOutcome.LEADER


async def test_a_lost_lease_can_not_be_given_back(cache: Cache) -> None:
    key = unique_key()
    cache.park(key, ANN)
    claimed = await cache.claim(key, term_ms=20)
    await cache.pass_ms(40)
    assert await cache.leases.release(key, claimed.token, "queued 2") == -1
    await cache.claim(key, "queued 3")
    assert await cache.leases.release(key, claimed.token, "queued 2") == -1
    assert isinstance(await cache.leases.claim(key, "queued 4", TERM_MS, {}), Busy)


async def test_a_key_that_rests_is_refreshed_by_nobody_and_computed_for_who_waits(cache: Cache) -> None:
    key, stored = unique_key(), make_result(b"1")
    await cache.store(key, stored)
    await cache.leases.rest(key, 60_000)
    refreshing = cache.results.park(key, stored, None, 0, "queued refresh")
    waiting = cache.results.park(key, stored, Waiter("ann=", "1", 1), NOW_MS + 1000, "queued request")
    assert (refreshing.outcome, waiting.outcome) == (ParkOutcome.FOLLOWER, ParkOutcome.LEADER)


async def test_a_large_result_is_read_as_it_was_stored(cache: Cache) -> None:
    key, result = unique_key(), make_result(b'"' + b"pushaside " * 20_000 + b'"')
    await cache.store(key, result)
    assert cache.results.read(key) == result
    assert cache.results.is_unchanged(key, result)


async def test_who_would_only_lead_is_parked_with_the_lease_and_not_without_it(cache: Cache) -> None:
    key, stored = unique_key(), make_result(b"1")
    await cache.store(key, stored)
    first, second = Waiter("ann=", "1"), Waiter("ben=", "2")
    leading = cache.results.park(key, stored, first, DEADLINE_MS, "queued 1", only_to_lead=True)
    following = cache.results.park(key, stored, second, DEADLINE_MS, "queued 2", only_to_lead=True)
    assert (leading.outcome, following.outcome) == (ParkOutcome.LEADER, ParkOutcome.FOLLOWER)
    assert await cache.leases.waiters(key) == (first,)
