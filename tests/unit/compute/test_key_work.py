"""The work on one key: what becomes of jobs, waiters and leases, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import traceback

import msgspec
import pytest

from compute.computing import Task
from compute.filling import MAX_COMPUTES
from compute.key_work import MAX_ATTEMPTS
from push.cache.jobs import GUARDIAN_DELAY_SECONDS, LEASE_TERM_MS, Job, JobKind, Waiter
from push.computes import Compute, Computed, Tenant, compute
from push.delivery.ports import PostOutcome
from push.errors import ComputeFailedError, ErrorCode, RequestError, SourceThrottledError
from push.keys import Key, make_key
from push.metrics import Metric
from push.sources.contexts import Context
from tests.builders.results import EchoParams
from tests.fakes.virtual_time import run_virtually
from tests.worlds.functions import World, results_of


class Script:
    """A compute that does in turn what it is told: give a value back, raise, or call something."""

    def __init__(self) -> None:
        self.steps: list[object] = []
        self.attempts: list[int] = []

    @property
    def declared(self) -> Compute[EchoParams]:
        @compute(
            name="scripted",
            ttl=10.0,
            stale_ttl=60.0,
            tags=lambda params: ("scripted",),
        )
        async def scripted(params: EchoParams, context: Context) -> object:
            self.attempts.append(context.attempt)
            step = self.steps.pop(0) if self.steps else "default"
            if isinstance(step, Exception):
                raise step
            return await step() if callable(step) else step

        return scripted


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def world(script: Script) -> World:
    return World(computes=(script.declared,))


def ask(world: World, request_id: str = "1", **request: object) -> Job:
    """Ask on a cold key, and return the job that was sent."""
    assert world.ask(request_id, compute="scripted", **request)["type"] == "accepted"
    return world.jobs.sent[-2].job


def key_of(world: World, job: Job) -> Key:
    declared = world.registry.find(job.compute)
    return make_key(job.tenant, declared, declared.parse_params(job.params))


def waiters(world: World, job: Job) -> list[str]:
    return [waiter.connection_id for waiter in world.model.entry(key_of(world, job)).waiters]


def errors(frames: list[dict]) -> list[str]:
    return [frame["error"]["code"] for frame in frames if frame["type"] == "error"]


async def die(world: World, job: Job) -> None:
    """Claim as a worker does that dies at once, and let its lease end."""
    await world.leases.claim(key_of(world, job), job.token, LEASE_TERM_MS, {})
    world.clock.advance(LEASE_TERM_MS + 1)


async def test_a_miss_is_computed_once_and_everybody_is_answered(world: World, script: Script) -> None:
    for name in ("ann=", "ben=", "eva="):
        world.ask(connection_id=name, compute="scripted")
    assert await world.consume_sent() == []
    assert [results_of(world.pushed(name)) for name in ("ann=", "ben=", "eva=")] == [["default"]] * 3
    assert script.attempts == [1]


async def test_the_answer_says_that_it_was_a_miss(world: World) -> None:
    ask(world)
    await world.consume_sent()
    (frame,) = world.pushed()
    assert (frame["id"], frame["cache"], frame["age_ms"]) == ("1", "miss", 0)


async def test_after_the_answer_nobody_waits_and_nobody_leads(world: World) -> None:
    job = ask(world)
    await world.consume_sent()
    assert waiters(world, job) == []
    assert world.model.lease_token(key_of(world, job)) is None


async def test_what_was_filled_is_a_hit_for_the_next(world: World) -> None:
    ask(world)
    await world.consume_sent()
    assert world.ask("2", compute="scripted")["cache"] == "hit"


async def test_a_duplicate_of_a_job_that_is_worked_on_is_dropped(world: World, script: Script) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        started.set()
        await go_on.wait()
        return "once"

    script.steps = [wait]
    job = ask(world)
    working = asyncio.create_task(world.consume(job))
    await started.wait()
    assert await world.consume(job) == []
    go_on.set()
    assert await working == []
    assert results_of(world.pushed()) == ["once"]
    assert script.attempts == [1]


async def test_a_duplicate_of_a_job_that_is_done_computes_nothing(world: World, script: Script) -> None:
    job = ask(world)
    await world.consume(job)
    assert await world.consume(job) == []
    assert script.attempts == [1]


async def test_a_guardian_that_finds_nobody_waiting_ends(world: World, script: Script) -> None:
    job = ask(world)
    await world.consume(job)
    world.jobs.sent.clear()
    assert await world.consume(job.guardian()) == []
    assert (world.jobs.sent, script.attempts) == ([], [1])
    assert len(world.pushed()) == 1


async def test_a_guardian_that_comes_before_its_job_does_the_work(world: World, script: Script) -> None:
    job = ask(world)
    assert await world.consume(job.guardian()) == []
    assert results_of(world.pushed()) == ["default"]
    await world.consume(job)
    assert len(script.attempts) == 1


async def test_a_guardian_that_finds_somebody_at_work_looks_again_later(world: World) -> None:
    job = ask(world)
    await world.leases.claim(key_of(world, job), job.token, LEASE_TERM_MS, {})
    world.jobs.sent.clear()
    assert await world.consume(job.guardian()) == []
    (again,) = world.jobs.sent
    assert again.job == job.guardian()
    assert again.delay_seconds == GUARDIAN_DELAY_SECONDS


async def test_of_several_guardians_that_find_somebody_at_work_one_looks_again(world: World) -> None:
    job = ask(world)
    await world.leases.claim(key_of(world, job), job.token, LEASE_TERM_MS, {})
    world.jobs.sent.clear()
    for _ in range(3):
        assert await world.consume(job.guardian()) == []
    assert len(world.jobs.sent) == 1


async def test_a_guardian_is_not_kept_from_looking_again_by_its_own_last_look(world: World) -> None:
    job = ask(world)
    await world.leases.claim(key_of(world, job), job.token, 60_000, {})
    for _ in range(3):
        world.jobs.sent.clear()
        await world.consume(job.guardian())
        assert len(world.jobs.sent) == 1
        world.clock.advance(GUARDIAN_DELAY_SECONDS * 1000)


async def test_a_guardian_takes_over_from_a_dead_worker(world: World, script: Script) -> None:
    job = ask(world)
    await die(world, job)
    assert await world.consume(job.guardian()) == []
    assert results_of(world.pushed()) == ["default"]
    assert script.attempts == [2]
    assert world.counter.of(Metric.TAKEOVER) == 1


async def test_whoever_takes_over_is_guarded_too(world: World) -> None:
    job = ask(world)
    await die(world, job)
    world.jobs.sent.clear()
    await world.consume(job.guardian())
    (next_guardian,) = world.jobs.sent
    assert (next_guardian.job.kind, next_guardian.job.attempt) == (JobKind.GUARDIAN, 2)
    assert next_guardian.delay_seconds == GUARDIAN_DELAY_SECONDS


async def test_a_worker_that_died_between_fill_and_answer_is_answered_for_without_computing(
    world: World, script: Script
) -> None:
    job = ask(world)
    key = key_of(world, job)
    claimed = await world.leases.claim(key, job.token, LEASE_TERM_MS, {})
    result = await world.computing.compute(_work(world, job))
    await world.leases.fill(key, claimed, result, LEASE_TERM_MS, world.clock())
    world.clock.advance(LEASE_TERM_MS + 1)
    await world.consume(job.guardian())
    assert results_of(world.pushed()) == ["default"]
    assert len(script.attempts) == 1


async def test_after_three_deaths_everybody_is_told(world: World, script: Script) -> None:
    job = ask(world)
    world.ask(connection_id="ben=", compute="scripted")
    await die(world, job)
    last = job.guardian()
    while last.attempt < MAX_ATTEMPTS:
        world.jobs.sent.clear()
        started = asyncio.Event()
        script.steps = [lambda started=started: _never(started)]
        taking_over = asyncio.create_task(world.consume(last))
        await started.wait()
        last = world.jobs.sent[0].job
        taking_over.cancel()
        await asyncio.gather(taking_over, return_exceptions=True)
        world.clock.advance(LEASE_TERM_MS + 1)
    assert await world.consume(last) == []
    assert errors(world.pushed("ann=")) == errors(world.pushed("ben=")) == ["compute_failed"]
    assert waiters(world, job) == []


async def _never(started: asyncio.Event | None = None) -> None:
    if started is not None:
        started.set()
    await asyncio.Event().wait()


def _work(world: World, job: Job):
    declared = world.registry.find(job.compute)
    return Task(job, declared, key_of(world, job), job.attempt)


async def test_a_transient_failure_comes_back_and_may_then_succeed(world: World, script: Script) -> None:
    script.steps = [SourceThrottledError(), "second"]
    job = ask(world)
    assert await world.consume(job) == [job]
    assert world.pushed() == []
    assert await world.consume(job, receive_count=2) == []
    assert results_of(world.pushed()) == ["second"]
    assert script.attempts == [1, 2]


async def test_after_three_transient_failures_everybody_is_told_the_last(world: World, script: Script) -> None:
    script.steps = [SourceThrottledError(retry_after_ms=500) for _ in range(MAX_ATTEMPTS)]
    job = ask(world)
    world.ask(connection_id="ben=", compute="scripted")
    for attempt in range(1, MAX_ATTEMPTS):
        assert await world.consume(job, receive_count=attempt) == [job]
    assert await world.consume(job, receive_count=MAX_ATTEMPTS) == []
    assert errors(world.pushed("ann=")) == errors(world.pushed("ben=")) == ["source_throttled"]
    assert world.pushed()[0]["error"]["retry_after_ms"] == 500


async def test_a_transient_failure_is_logged_with_its_traceback_once_no_attempt_is_left(
    world: World, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    script.steps = [SourceThrottledError(f"The table is busy, {attempt}.") for attempt in (1, 2, 3)]
    job = ask(world)
    for count in (1, 2, 3):
        await world.consume(job, receive_count=count)
    traced = [record for record in caplog.records if record.exc_info]
    assert [record.getMessage() for record in traced] == [
        f"{key_of(world, job).storage} failed in all 3 attempts: The table is busy, 3."
    ]
    assert (traced[0].params, traced[0].request_id, traced[0].attempt) == ("{}", "1", 3)
    assert traced[0].exc_info[1] is not None
    assert "in scripted" in "".join(traceback.format_tb(traced[0].exc_info[1].__traceback__))


async def test_an_exception_that_is_logged_in_its_attempt_is_not_traced_again_at_the_end(
    world: World, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    script.steps = [KeyError("colour")] * 3
    job = ask(world)
    for count in (1, 2, 3):
        await world.consume(job, receive_count=count)
    *attempts, end = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [bool(record.exc_info) for record in attempts] == [True] * 3
    assert "failed in all 3 attempts" in end.getMessage()
    assert not end.exc_info


@pytest.mark.parametrize("fault", [ValueError("secret"), KeyError("secret"), RecursionError("secret")])
async def test_what_a_compute_did_not_mean_to_raise_is_tried_again_and_never_shown(
    world: World, script: Script, fault: Exception
) -> None:
    script.steps = [fault, fault, fault]
    job = ask(world)
    assert await world.consume(job, receive_count=MAX_ATTEMPTS) == []
    assert errors(world.pushed()) == ["compute_failed"]
    assert "secret" not in str(world.pushed())


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (ComputeFailedError("No such thing."), "compute_failed"),
        (RequestError("No such document.", code=ErrorCode.NOT_FOUND), "not_found"),
    ],
)
async def test_a_deterministic_failure_is_answered_once_and_remembered_briefly(
    world: World, script: Script, failure: Exception, code: str
) -> None:
    script.steps = [failure]
    job = ask(world)
    assert await world.consume(job) == []
    assert errors(world.pushed()) == [code]
    assert world.ask("2", compute="scripted")["error"]["code"] == code
    world.clock.advance(2100)
    assert world.ask("3", compute="scripted")["type"] == "accepted"


async def test_a_value_that_is_no_json_fails_for_good(world: World, script: Script) -> None:
    script.steps = [object()]
    job = ask(world)
    assert await world.consume(job) == []
    assert errors(world.pushed()) == ["compute_failed"]


@pytest.mark.parametrize(
    "computed",
    [
        Computed(1, tags=("x" * 256,)),
        Computed(1, tags=tuple(map(str, range(256)))),
        Computed(1, tags=("\ud800",)),
        Computed(1, source_version=-1),
        Computed(1, source_version=2**64),
    ],
    ids=["long tag", "many tags", "no text", "negative version", "huge version"],
)
async def test_what_can_not_be_stored_fails_for_good(world: World, script: Script, computed: Computed) -> None:
    script.steps = [computed]
    job = ask(world)
    assert await world.consume(job) == []
    assert errors(world.pushed()) == ["compute_failed"]


def test_a_compute_that_takes_too_long_is_tried_again() -> None:
    async def scenario() -> None:
        script = Script()
        script.steps = [_never]
        world = World(computes=(script.declared,), clock=LoopClock())
        job = ask(world)
        assert await world.consume(job) == [job]
        assert await world.consume(job, receive_count=2) == []
        assert results_of(world.pushed()) == ["default"]

    run_virtually(scenario())


class LoopClock:
    """The loop's virtual time."""

    def __call__(self) -> int:
        return 1_732_000_000_000 + int(asyncio.get_running_loop().time() * 1000)

    @property
    def now_ms(self) -> int:
        return self()


def test_the_lease_is_kept_while_a_compute_takes_long() -> None:
    async def scenario() -> None:
        script = Script()
        script.steps = [lambda: asyncio.sleep(15, "slow")]
        world = World(computes=(script.declared,), clock=LoopClock())
        job = ask(world)
        working = asyncio.create_task(world.consume(job))
        for _ in range(14):
            await asyncio.sleep(1)
            assert world.model.lease_token(key_of(world, job)) not in (None, job.token)
        await working
        assert results_of(world.pushed()) == ["slow"]
        assert world.leases.fills[0][2] == "filled"

    run_virtually(scenario())


def test_who_can_not_wait_any_longer_is_told_when_his_deadline_passes_and_not_again() -> None:
    async def scenario() -> None:
        script = Script()
        script.steps = [lambda: asyncio.sleep(10, "late")]
        world = World(computes=(script.declared,), clock=LoopClock())
        job = ask(world, deadline_ms=2500)
        world.ask("2", connection_id="ben=", compute="scripted", deadline_ms=30_000)
        working = asyncio.create_task(world.consume(job))
        await asyncio.sleep(2.4)
        assert world.pushed() == []
        await asyncio.sleep(0.2)
        assert errors(world.pushed()) == ["timeout"]
        await working
        assert len(world.pushed()) == 1
        assert results_of(world.pushed("ben=")) == ["late"]
        assert world.counter.of(Metric.TIMED_OUT) == 1

    run_virtually(scenario())


def test_who_parks_while_a_compute_runs_and_can_not_wait_is_told_within_a_renewal() -> None:
    async def scenario() -> None:
        script = Script()
        script.steps = [lambda: asyncio.sleep(10, "late")]
        world = World(computes=(script.declared,), clock=LoopClock())
        working = asyncio.create_task(world.consume(ask(world)))
        await asyncio.sleep(2)
        world.ask("2", connection_id="ben=", compute="scripted", deadline_ms=100)
        await asyncio.sleep(1.5)
        assert errors(world.pushed("ben=")) == ["timeout"]
        await working

    run_virtually(scenario())


async def test_who_wants_it_newer_than_the_running_compute_gets_a_compute_of_his_own(
    world: World, script: Script
) -> None:
    async def ask_meanwhile() -> str:
        world.clock.advance(100)
        assert world.ask("2", connection_id="ben=", compute="scripted", max_age=0)["type"] == "accepted"
        return "first"

    script.steps = [ask_meanwhile, "second"]
    ask(world)
    await world.consume_sent()
    assert (results_of(world.pushed("ann=")), world.pushed("ben=")) == (["first"], [])
    await world.consume_sent()
    assert results_of(world.pushed("ben=")) == ["second"]
    assert len(world.pushed("ann=")) == 1


async def test_when_the_job_for_those_who_came_late_can_not_be_sent_the_next_to_ask_can_lead(
    world: World, script: Script
) -> None:
    async def be_joined() -> str:
        world.clock.advance(100)
        assert world.ask("2", connection_id="ben=", compute="scripted", max_age=0)["type"] == "accepted"
        world.jobs.is_down = True
        return "too old for ben"

    script.steps = [be_joined, "new"]
    world.ask("1", compute="scripted")
    assert len(await world.consume_sent()) == 1
    world.jobs.is_down = False
    world.ask("3", connection_id="eva=", compute="scripted", max_age=0)
    assert await world.consume_sent() == []
    assert results_of(world.pushed("ben=")) == results_of(world.pushed("eva=")) == ["new"]


async def test_what_changed_while_it_was_computed_is_computed_anew(world: World, script: Script) -> None:
    async def see_key_invalidated() -> str:
        world.model.invalidate(key)
        return "old"

    job = ask(world)
    key = key_of(world, job)
    script.steps = [see_key_invalidated, "new"]
    await world.consume_sent()
    assert results_of(world.pushed()) == ["new"]
    assert results_of([world.ask("2", compute="scripted")]) == ["new"]


async def test_a_change_that_does_not_find_the_key_yet_is_noticed_by_its_tag(world: World, script: Script) -> None:
    async def see_tag_raised() -> str:
        await world.tags.invalidate(Tenant("acme"), ["scripted"])
        return "old"

    ask(world)
    script.steps = [see_tag_raised, "new"]
    await world.consume_sent()
    assert results_of(world.pushed()) == ["new"]


async def test_what_changes_all_the_time_is_answered_and_stored_as_stale(world: World, script: Script) -> None:
    async def see_tag_raised() -> str:
        await world.tags.invalidate(Tenant("acme"), ["scripted"])
        return "old"

    ask(world)
    script.steps = [see_tag_raised] * MAX_COMPUTES
    await world.consume_sent()
    assert results_of(world.pushed()) == ["old"]
    assert world.ask("2", compute="scripted")["type"] == "accepted"
    assert world.ask("3", compute="scripted")["cache"] == "stale"


async def test_the_first_to_ask_after_a_change_waits_for_the_new_result_and_others_get_the_old_meanwhile(
    world: World, script: Script
) -> None:
    script.steps = ["old", "new"]
    await world.consume(ask(world))
    world.connections.frames.clear()
    world.jobs.sent.clear()
    await world.tags.invalidate(Tenant("acme"), ["scripted"])
    world.clock.advance(1001)
    frames = [world.ask(name, compute="scripted", connection_id=f"{name}=") for name in ("first", "other")]
    assert [frame["type"] for frame in frames] == ["accepted", "result"]
    assert (frames[1]["cache"], frames[1]["data"]) == ("stale", "old")
    await world.consume_sent()
    assert results_of(world.pushed("first=")) == ["new"]
    assert world.pushed("other=") == []
    world.clock.advance(1001)
    assert results_of([world.ask("3", compute="scripted")]) == ["new"]


async def test_when_the_queue_is_away_a_changed_result_is_answered_stale(world: World, script: Script) -> None:
    await world.consume(ask(world))
    await world.tags.invalidate(Tenant("acme"), ["scripted"])
    world.jobs.is_down = True
    world.clock.advance(1001)
    assert world.ask("2", compute="scripted")["cache"] == "stale"
    assert waiters(world, world.jobs.sent[0].job) == []


async def test_when_a_compute_fails_at_every_attempt_a_stale_result_is_answered_instead(
    world: World, script: Script
) -> None:
    script.steps = ["old", *[SourceThrottledError()] * MAX_ATTEMPTS]
    await world.consume(ask(world))
    stored = world.results.read(key_of(world, world.jobs.sent[0].job))
    assert stored is not None
    world.clock.advance(11_000)
    job = msgspec.structs.replace(world.jobs.sent[0].job, token="queued again", waiter=Waiter("ben=", "2"))
    for count in range(MAX_ATTEMPTS):
        await world.consume(job, receive_count=count + 1)
    assert [(frame["data"], frame["cache"]) for frame in world.pushed("ben=")] == [("old", "stale")]


async def test_a_refresh_that_fails_lets_the_key_rest(world: World, script: Script) -> None:
    script.steps = ["old", SourceThrottledError()]
    await world.consume(ask(world))
    world.jobs.sent.clear()
    world.clock.advance(11_000)
    assert world.ask("2", compute="scripted")["cache"] == "stale"
    await world.consume_sent()
    world.clock.advance(1001)
    world.jobs.sent.clear()
    assert world.ask("3", compute="scripted")["cache"] == "stale"
    assert world.jobs.sent == []
    world.clock.advance(1001)
    world.ask("4", compute="scripted")
    assert [outgoing.job.kind for outgoing in world.jobs.sent] == [JobKind.REFRESH]


async def test_a_late_fill_never_replaces_the_one_who_took_over(world: World, script: Script) -> None:
    async def be_overtaken() -> str:
        world.clock.advance(LEASE_TERM_MS + 1)
        world.model.entry(key).lease = None
        await world.consume(job.guardian())
        return "late"

    job = ask(world)
    key = key_of(world, job)
    script.steps = [be_overtaken, "newer"]
    await world.consume(job)
    stored = world.results.read(key)
    assert stored is not None
    assert stored.data == b'"newer"'


async def test_without_redis_those_who_came_with_the_job_are_answered(world: World) -> None:
    world.model.is_down = True
    job = ask(world)
    assert await world.consume(job) == []
    assert results_of(world.pushed()) == ["default"]


async def test_without_redis_and_sqs_who_takes_no_push_is_tried_again(world: World) -> None:
    world.model.is_down = True
    job = ask(world)
    world.connections.outcomes["ann="] = PostOutcome.RETRY
    world.deliveries.is_down = True
    assert await world.consume(job) == [job]
    world.connections.outcomes.clear()
    assert await world.consume(job, receive_count=2) == []
    assert results_of(world.pushed()) == ["default"]


async def test_without_redis_failures_are_tried_again_and_then_told(world: World, script: Script) -> None:
    world.model.is_down = True
    script.steps = [SourceThrottledError() for _ in range(MAX_ATTEMPTS)]
    job = ask(world)
    assert await world.consume(job) == [job]
    assert await world.consume(job, receive_count=MAX_ATTEMPTS) == []
    assert errors(world.pushed()) == ["source_throttled"]


async def test_without_redis_a_guardian_comes_anew_however_often(world: World, script: Script) -> None:
    world.model.is_down = True
    job = ask(world)
    world.jobs.sent.clear()
    assert await world.consume(job.guardian(), receive_count=4) == []
    (anew,) = world.jobs.sent
    assert anew.job.kind is JobKind.GUARDIAN
    assert anew.delay_seconds > 0
    assert script.attempts == []


async def test_redis_lost_while_computing_costs_nobody_his_answer_who_came_with_the_job(
    world: World, script: Script
) -> None:
    async def lose_redis() -> str:
        world.model.is_down = True
        return "value"

    script.steps = [lose_redis]
    assert await world.consume(ask(world)) == []
    assert results_of(world.pushed()) == ["value"]


async def test_redis_flushed_while_computing_costs_nobody_his_answer_who_came_with_the_job(
    world: World, script: Script
) -> None:
    async def flush() -> str:
        world.model.flush()
        return "value"

    script.steps = [flush]
    assert await world.consume(ask(world)) == []
    assert results_of(world.pushed()) == ["value"]


async def test_who_was_forgotten_is_answered_though_the_key_has_been_filled_for_another(
    world: World, script: Script
) -> None:
    forgotten = ask(world)
    world.model.flush()
    await world.consume(ask(world, "2", connection_id="ben="))
    assert await world.consume(forgotten) == []
    assert results_of(world.pushed("ann=")) == ["default"]
    assert script.attempts == [1]


async def test_who_could_not_be_parked_is_answered_by_the_one_who_works_on_the_key(
    world: World, script: Script
) -> None:
    world.model.is_down = True
    unparked = ask(world)
    world.model.is_down = False

    async def receive_the_other() -> str:
        assert await world.consume(unparked) == []
        return "for both"

    script.steps = [receive_the_other]
    await world.consume(ask(world, "2", connection_id="ben="))
    assert [results_of(world.pushed(name)) for name in ("ann=", "ben=")] == [["for both"], ["for both"]]


async def test_a_refresh_replaces_a_stale_result_and_pushes_nothing(world: World, script: Script) -> None:
    script.steps = ["old", "new"]
    await world.consume(ask(world))
    world.connections.frames.clear()
    world.jobs.sent.clear()
    world.clock.advance(11_000)
    assert world.ask("2", compute="scripted")["cache"] == "stale"
    await world.consume_sent()
    assert world.connections.frames == []
    world.clock.advance(1000)
    assert results_of([world.ask("3", compute="scripted")]) == ["new"]


async def test_a_gone_connection_is_settled_and_removed(world: World) -> None:
    world.connections.outcomes["ann="] = PostOutcome.GONE
    job = ask(world)
    await world.consume(job)
    assert waiters(world, job) == []
    assert world.records.forgotten == ["ann="]


async def test_a_push_that_is_to_be_tried_again_is_queued_and_settled(world: World) -> None:
    world.connections.outcomes["ann="] = PostOutcome.RETRY
    job = ask(world)
    await world.consume(job)
    ((delivery, delay_seconds),) = world.deliveries.sent
    assert (delivery.connection_id, delivery.attempt) == ("ann=", 2)
    assert delay_seconds >= 0
    assert waiters(world, job) == []


async def test_who_can_neither_be_pushed_to_nor_queued_stays_parked_and_gets_another_job(world: World) -> None:
    world.connections.outcomes["ann="] = PostOutcome.RETRY
    world.deliveries.is_down = True
    job = ask(world)
    await world.consume_sent()
    assert waiters(world, job) == ["ann="]
    world.deliveries.is_down = False
    world.connections.outcomes.clear()
    await world.consume_sent()
    assert results_of(world.pushed()) == ["default"]


async def test_a_request_asked_twice_is_answered_once(world: World) -> None:
    ask(world)
    world.clock.advance(10)
    world.ask(compute="scripted", max_age=60)
    await world.consume_sent()
    assert len(world.pushed()) == 1


async def test_each_run_is_counted_with_its_time(world: World, script: Script) -> None:
    async def take_time() -> None:
        world.clock.advance(250)

    script.steps = [take_time]
    await world.consume(ask(world))
    name = ("ComputeName", "scripted")
    assert world.counter.of(Metric.COMPUTE, name) == 1
    assert world.counter.of(Metric.COMPUTE_MILLISECONDS, name) == 250


async def test_what_is_stored_knows_its_cost_tags_and_version(world: World, script: Script) -> None:
    async def take_time() -> Computed:
        world.clock.advance(250)
        return Computed(msgspec.Raw(b'{"raw":1}'), source_version=9, tags=("collection:a",))

    script.steps = [take_time]
    started_ms = world.clock()
    job = ask(world)
    await world.consume(job)
    stored = world.results.read(key_of(world, job))
    assert stored is not None
    assert (stored.data, stored.source_version, stored.tags) == (b'{"raw":1}', 9, ("scripted", "collection:a"))
    assert (stored.computed_at_ms, stored.cost_us) == (started_ms, 250_000)


async def test_a_compute_learns_the_version_of_the_stored_result(script: Script) -> None:
    """So that it need not compute from a source that lags behind it."""
    seen: list[int] = []

    @compute(name="scripted", ttl=10.0, stale_ttl=60.0, tags=lambda params: ("scripted",))
    async def versioned(params: EchoParams, context: Context) -> object:
        seen.append(context.stored_version)
        if len(seen) == 2:
            raise ComputeFailedError(source_version=11)
        return Computed(len(seen), source_version=9 + 2 * len(seen) - 2)

    world = World(computes=(versioned,))
    for _ in range(3):
        world.ask(compute="scripted", max_age=0)
        await world.consume_sent()
        world.clock.advance(1)
    assert seen == [0, 9, 11]
    assert world.counter.of(Metric.REFUSED_FILL) == 0


async def test_who_was_parked_while_redis_was_away_for_the_compute_is_answered_by_it_all_the_same(
    world: World, script: Script
) -> None:
    async def see_redis_back() -> str:
        world.model.is_down = False
        ask(world, "2", connection_id="ben=")
        return "value"

    job = ask(world)
    world.model.flush()
    world.model.is_down = True
    script.steps = [see_redis_back]
    await world.consume(job)
    assert results_of(world.pushed("ann=")) == ["value"]
    assert results_of(world.pushed("ben=")) == []  # parked under a lease of its own: its own job answers it
    await world.consume_sent()
    assert results_of(world.pushed("ben=")) != []


async def test_a_result_made_without_redis_is_kept_as_stale_once_redis_is_back(world: World, script: Script) -> None:
    async def see_redis_back() -> str:
        world.model.is_down = False
        return "value"

    job = ask(world)
    world.model.is_down = True
    script.steps = [see_redis_back]
    await world.consume(job)
    stored = world.results.read(key_of(world, job))
    assert stored is not None
    assert (stored.data, stored.is_invalidated) == (b'"value"', True)
    assert waiters(world, job) == []
