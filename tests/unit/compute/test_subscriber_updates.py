"""Jobs of live results: those who subscribe to a key are told of what is filled, in the key's history."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from compute.key_work import MAX_ATTEMPTS
from push.cache.jobs import LEASE_TERM_MS, NO_DEADLINE_MS, Job, JobKind, live_waiter
from push.cache.ports import Claimed
from push.computes import Compute, Computed, Tenant, compute
from push.errors import ComputeFailedError, SourceThrottledError
from push.keys import Key, make_key
from push.protocol.payloads import payload_name
from push.topics.fan_out_jobs import Nudge
from push.topics.live_results import LiveEntry, parse_entry
from push.topics.topics import live_topic
from tests.builders.results import EchoParams
from tests.worlds.functions import World

ACME = Tenant("acme")


class Source:
    """What the one compute reads; `during` runs in the middle of the next computes."""

    def __init__(self) -> None:
        self.value: object = "first"
        self.during: list[object] = []

    @property
    def declared(self) -> Compute[EchoParams]:
        @compute(
            name="sourced",
            ttl=10.0,
            stale_ttl=60.0,
            tags=lambda params: ("source",),
        )
        async def sourced(params: EchoParams) -> object:
            value = self.value
            if self.during:
                step = self.during.pop(0)
                if isinstance(step, Exception):
                    raise step
                await step()  # type: ignore[operator] # everything else in the list is an async function
            return value

        return sourced


class Live:
    """The world with one key in it, its history and its changes."""

    def __init__(self) -> None:
        self.source = Source()
        self.world = World(computes=(self.source.declared,))
        declared = self.world.registry.find("sourced")
        self.key: Key = make_key(ACME, declared, EchoParams())

    def subscribe(self) -> None:
        """Do what is done for the first who subscribes: the topic begins."""
        self.world.topics.open(live_topic(self.key))

    def job(self, kind: JobKind = JobKind.LIVE) -> Job:
        now_ms = self.world.clock()
        return Job(kind, ACME, "sourced", msgspec.Raw(b"{}"), self.world.tokens(), newer_than_ms=now_ms)

    async def change(self, value: object) -> Job:
        """Change the source, and return the job of those who subscribe."""
        self.world.clock.advance(10)
        self.source.value = value
        job = self.job()
        await self.world.tags.invalidate(ACME, ["source"])
        self.world.clock.advance(10)
        return job

    @property
    def entries(self) -> list[LiveEntry]:
        return [parse_entry(message.data) for _, _, message in self.world.histories.appended]

    @property
    def values(self) -> list[object]:
        return [json.loads(bytes(entry.data)) for entry in self.entries]

    @property
    def nudges(self) -> list[object]:
        return [job for job, _ in self.world.fan_out.sent]

    def waiting(self) -> int:
        return len(self.world.model.entry(self.key).waiters)


@pytest.fixture
def live() -> Live:
    return Live()


async def test_a_live_job_appends_what_it_computed_and_nudges(live: Live) -> None:
    assert await live.world.consume(live.job()) == []
    assert live.values == ["first"]
    assert live.nudges == [Nudge(live_topic(live.key).storage)]
    assert live.waiting() == 0
    assert live.world.model.lease_token(live.key) is None


async def test_what_nobody_ever_subscribed_to_has_no_history(live: Live) -> None:
    live.world.ask(compute="sourced")
    await live.world.consume_sent()
    assert (live.values, live.nudges) == ([], [])


@pytest.mark.parametrize("kind", [JobKind.REQUEST, JobKind.REFRESH])
async def test_any_fill_of_what_somebody_subscribes_to_is_appended(live: Live, kind: JobKind) -> None:
    live.subscribe()
    await live.world.consume(live.job(kind))
    assert live.values == ["first"]
    assert len(live.nudges) == 1


async def test_every_change_is_appended_in_order(live: Live) -> None:
    for number in range(4):
        await live.world.consume(await live.change(number))
    assert live.values == [0, 1, 2, 3]


async def test_the_same_value_is_not_appended_again_but_nudged_for_all_the_same(live: Live) -> None:
    await live.world.consume(await live.change("same"))
    await live.world.consume(await live.change("same"))
    assert live.values == ["same"]
    assert len(live.nudges) == 2


async def test_what_is_newer_than_the_change_already_is_appended_without_computing(live: Live) -> None:
    late = await live.change("new")
    live.world.ask(compute="sourced")
    await live.world.consume_sent()
    assert live.values == []
    live.source.value = "never announced"
    assert await live.world.consume(late) == []
    assert live.values == ["new"]


async def test_requests_and_subscribers_are_told_together(live: Live) -> None:
    live.world.ask(compute="sourced")
    live.subscribe()
    await live.world.consume_sent()
    assert [frame["data"] for frame in live.world.pushed()] == ["first"]
    assert live.values == ["first"]


async def test_a_failure_that_will_last_is_told_as_an_error(live: Live) -> None:
    live.source.during = [ComputeFailedError("There is no such board.")]
    await live.world.consume(live.job())
    (entry,) = live.entries
    assert json.loads(bytes(entry.error))["message"] == "There is no such board."


async def test_large_values_are_in_the_bucket_before_they_are_in_the_history(live: Live) -> None:
    live.source.value = "x" * 100_000
    await live.world.consume(live.job())
    (entry,) = live.entries
    assert entry.payload == payload_name(live.key, entry.etag)
    assert live.world.payloads.stored[entry.payload] == json.dumps(live.source.value).encode()


async def test_a_change_while_the_key_is_computed_is_told_by_whoever_computes_it(live: Live) -> None:
    came: list[Job] = []

    async def change_meanwhile() -> None:
        came.append(await live.change("second"))
        assert await live.world.consume(*came) == []

    live.source.during = [change_meanwhile]
    await live.world.consume(live.job())
    assert live.values == ["second"]
    assert live.waiting() == 0


async def test_a_change_between_the_fill_and_the_release_has_another_job_sent(live: Live) -> None:
    late: list[Job] = []

    async def change_late() -> None:
        late.append(await live.change("second"))
        await live.world.consume(*late)

    settle = live.world.leases.settle

    async def settle_and_change(key: Key, waiters: object) -> None:
        await settle(key, waiters)  # type: ignore[arg-type] # whatever it is
        if not late:
            await change_late()

    live.world.leases.settle = settle_and_change  # type: ignore[method-assign]
    await live.world.consume(live.job())
    assert live.values == ["first"]
    assert await live.world.consume_sent() == []
    assert live.values == ["first", "second"]


async def test_when_the_busy_worker_dies_a_guardian_tells_those_who_subscribe(live: Live) -> None:
    claimed = await live.world.leases.claim(live.key, "queued by somebody who dies", LEASE_TERM_MS, {})
    assert isinstance(claimed, Claimed)
    assert await live.world.consume(await live.change("second")) == []
    assert live.values == []
    (guardian,) = live.world.guardians
    live.world.clock.advance(guardian.delay_seconds * 1000)
    await live.world.consume(guardian.job)
    assert live.values == ["second"]


async def test_many_changes_of_a_busy_key_have_one_guardian(live: Live) -> None:
    await live.world.leases.claim(live.key, "queued by somebody", LEASE_TERM_MS, {})
    for number in range(20):
        await live.world.consume(await live.change(number))
    assert len(live.world.guardians) == 1


async def test_a_worker_that_lost_its_lease_appends_nothing_and_is_tried_again(live: Live) -> None:
    async def stand_still() -> None:
        live.world.clock.advance(LEASE_TERM_MS + 1)
        other = await live.change("second")
        await live.world.consume(other)

    live.source.during = [stand_still]
    job = live.job()
    assert await live.world.consume(job) == [job]
    assert live.values == ["second"]
    await live.world.consume(job, receive_count=2)
    assert live.values == ["second"]


async def test_without_redis_the_job_comes_anew_however_often_and_nothing_is_computed(live: Live) -> None:
    live.world.model.is_down = True
    live.source.during = [AssertionError("this must not be computed")]
    job = live.job()
    for _ in range(10):
        assert await live.world.consume(job) == []
        anew = live.world.jobs.sent.pop()
        assert 0 < anew.delay_seconds <= 4
        assert anew.job == job


async def test_without_redis_and_the_queue_the_job_comes_back(live: Live) -> None:
    live.world.model.is_down = live.world.jobs.is_down = True
    job = live.job()
    assert await live.world.consume(job) == [job]


async def test_a_job_that_comes_anew_keeps_count_of_its_attempts(live: Live) -> None:
    live.world.model.is_down = True
    await live.world.consume(live.job(), receive_count=3)
    assert live.world.jobs.sent.pop().job.attempt == 3


async def test_redis_that_goes_away_during_the_compute_has_the_job_come_anew(live: Live) -> None:
    async def go_away() -> None:
        live.world.model.is_down = True

    live.source.during = [go_away]
    assert await live.world.consume(live.job()) == []
    live.world.model.is_down = False
    live.world.clock.advance(LEASE_TERM_MS)
    assert await live.world.consume(live.world.jobs.sent.pop().job) == []
    assert live.values == ["first"]


async def test_redis_that_goes_away_from_a_guardian_leaves_subscribers_to_the_next(live: Live) -> None:
    async def go_away() -> None:
        live.world.model.is_down = True

    job = live.job()
    await live.world.leases.claim(live.key, job.token, LEASE_TERM_MS, {live_waiter(): NO_DEADLINE_MS})
    live.world.clock.advance(LEASE_TERM_MS)
    live.source.during = [go_away]
    assert await live.world.consume(job.guardian()) == []
    assert live.world.connections.frames == []
    live.world.model.is_down = False
    live.world.clock.advance(LEASE_TERM_MS)
    assert await live.world.consume(live.world.jobs.sent.pop().job) == []
    assert live.values == ["first"]


async def test_redis_that_goes_away_after_the_compute_has_the_job_come_anew(live: Live) -> None:
    live.world.topics.is_down = True
    assert await live.world.consume(live.job()) == []
    live.world.topics.is_down = False
    live.world.clock.advance(LEASE_TERM_MS)
    assert await live.world.consume(live.world.jobs.sent.pop().job) == []
    assert live.values == ["first"]


async def test_without_the_fan_out_queue_the_job_comes_back_until_it_is_nudged(live: Live) -> None:
    live.world.fan_out.is_down = True
    job = live.job()
    assert await live.world.consume(job) == [job]
    live.world.fan_out.is_down = False
    live.world.clock.advance(LEASE_TERM_MS)
    assert await live.world.consume(job, receive_count=2) == []
    assert (live.values, len(live.nudges)) == (["first"], 1)


async def test_what_fails_for_a_while_is_tried_again(live: Live) -> None:
    live.source.during = [SourceThrottledError("Slow down.")] * 2
    job = live.job()
    assert await live.world.consume(job) == [job]
    assert await live.world.consume(job, receive_count=2) == [job]
    assert await live.world.consume(job, receive_count=3) == []
    assert live.values == ["first"]


async def test_what_fails_for_long_ends_with_the_dead_letters_and_is_told_by_the_next_fill(live: Live) -> None:
    live.subscribe()
    live.source.during = [SourceThrottledError("Slow down.")] * (MAX_ATTEMPTS + 1)
    job = live.job()
    for count in range(1, MAX_ATTEMPTS + 2):
        assert await live.world.consume(job, receive_count=count) == [job]
    live.world.ask(compute="sourced")
    await live.world.consume_sent()
    assert live.values == ["first"]


async def test_an_older_state_of_the_source_is_never_appended_over_a_newer(live: Live) -> None:
    live.source.value = Computed("new", source_version=2)
    await live.world.consume(live.job())
    live.source.value = Computed("old", source_version=1)
    job = await live.change(live.source.value)
    assert await live.world.consume(job) == [job]
    assert live.values == ["new"]


async def test_dead_letters_leave_those_who_subscribe_to_the_next_fill(live: Live) -> None:
    await live.world.leases.claim(live.key, "queued by somebody who dies", LEASE_TERM_MS, {})
    await live.world.consume(await live.change("second"))
    live.world.clock.advance(LEASE_TERM_MS)
    await live.world.dead_letters.end(msgspec.json.encode(live.job()).decode())
    assert live.waiting() == 1
    assert live.world.model.lease_token(live.key) is None
    await live.world.consume(live.job(JobKind.REFRESH))
    assert live.values == ["second"]


async def test_who_asks_while_only_subscribers_wait_still_has_a_guardian(live: Live) -> None:
    await live.world.leases.claim(live.key, "queued by somebody", LEASE_TERM_MS, {})
    await live.world.consume(await live.change("second"))
    before = len(live.world.guardians)
    assert await asyncio.to_thread(live.world.ask, compute="sourced")
    assert len(live.world.guardians) == before + 1
