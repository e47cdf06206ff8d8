"""Batches of the compute queue: what comes back, when, and that no job harms another."""

from __future__ import annotations

import asyncio

import pytest

from compute.consumer import Consumer, Message, parse_event
from push.cache.jobs import GUARDIAN_DELAY_SECONDS, JobKind, serialize_job
from push.computes import compute
from push.errors import SourceThrottledError
from push.queues.redelivery import Redelivery
from tests.builders.results import EchoParams, make_job
from tests.fakes.queues import FakeBodies
from tests.worlds.functions import World, received, results_of

running: list[str] = []


@compute(name="tracked", ttl=10.0)
async def tracked(params: EchoParams) -> object:
    """Record who runs at the same time; `fail` throttles."""
    running.append(params.text)
    await asyncio.sleep(0.01)
    beside = sorted(running)
    await asyncio.sleep(0.01)
    running.remove(params.text)
    if params.text == "fail":
        raise SourceThrottledError
    return beside


@pytest.fixture
def world() -> World:
    running.clear()
    return World(computes=(tracked,))


def ask(world: World, text: str):
    world.ask(text, connection_id=f"{text}=", compute="tracked", params=f'{{"text":"{text}"}}'.encode())
    return world.jobs.sent[-2].job


async def test_keys_are_worked_on_side_by_side(world: World) -> None:
    jobs = [ask(world, text) for text in "abc"]
    assert await world.consume(*jobs) == []
    (beside,) = results_of(world.pushed("c="))
    assert set(beside) == set("abc")


async def test_an_empty_batch_is_nothing(world: World) -> None:
    assert await world.consume() == []
    assert world.redelivery.hidden == []


async def test_only_what_failed_comes_back_and_soon(world: World) -> None:
    good, bad = ask(world, "good"), ask(world, "fail")
    assert await world.consume(good, bad) == [bad]
    assert results_of(world.pushed("good=")) == [["fail", "good"]]
    ((_, seconds),) = (hidden.popitem() for hidden in world.redelivery.hidden)
    assert seconds == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"kind":"request"}',
        '{"kind":"unheard-of","tenant":"acme","compute":"tracked","params":{},"token":"t"}',
        '{"kind":"request","tenant":"acme","compute":"unheard-of","params":{},"token":"t"}',
        '{"kind":"request","tenant":"acme","compute":"tracked","params":{"number":"one"},"token":"t"}',
        "[" * 100_000,
        '{"kind":"request","tenant":"acme","compute":"tracked","params":{},"token":"t","waiter":[1]}',
    ],
)
async def test_what_is_no_job_fails_alone_and_is_tried_again_soon(world: World, body: str) -> None:
    good, bad = received(ask(world, "good")), received(body, receive_count=2)
    assert await world.consumer.consume([bad, good]) == [bad.message_id]
    assert results_of(world.pushed("good=")) == [["good"]]
    assert world.redelivery.hidden == [{bad.receipt: 1}]


async def test_a_fault_of_ours_fails_its_own_key_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    work = world.worker.run

    async def fail_for_bad(key_job, *arguments, **options):
        if b"bad" in bytes(key_job.job.params):
            raise ZeroDivisionError
        return await work(key_job, *arguments, **options)

    monkeypatch.setattr(type(world.worker), "run", lambda _self, *args, **options: fail_for_bad(*args, **options))
    good, bad = ask(world, "good"), ask(world, "bad")
    assert await world.consume(bad, good) == [bad]
    assert results_of(world.pushed("good=")) == [["good"]]


async def test_jobs_of_one_key_are_worked_on_once(world: World) -> None:
    job = ask(world, "a")
    assert await world.consume(job.guardian(), job, job) == []
    assert results_of(world.pushed("a=")) == [["a"]]
    assert len(world.leases.fills) == 1


async def test_a_job_whose_lease_another_one_of_the_batch_holds_is_not_lost(world: World) -> None:
    first = ask(world, "a")
    world.model.flush()
    second = ask(world, "a")
    assert first.token != second.token
    assert await world.consume(first, second, first.guardian(), second.guardian()) == []
    assert results_of(world.pushed("a=")) == [["a"]]
    assert len(world.leases.fills) == 1


@pytest.mark.parametrize(
    ("kind", "attempt", "receive_count"), [(JobKind.REQUEST, 1, 3), (JobKind.REQUEST, 3, 1), (JobKind.GUARDIAN, 2, 1)]
)
async def test_what_may_have_killed_its_worker_comes_last_alone_and_lets_the_others_come_back_soon(
    world: World, kind: JobKind, attempt: int, receive_count: int
) -> None:
    jobs = [ask(world, text) for text in "ab"]
    suspects = [
        make_job(
            kind,
            compute="tracked",
            params=f'{{"text":"{text}"}}'.encode(),
            attempt=attempt,
            waiter=ask(world, text).waiter,
            deadline_ms=world.clock() + 30_000,
            token=world.jobs.sent[-1].job.token,
        )
        for text in "xy"
    ]
    messages = [received(job, receive_count) for job in suspects] + [received(job) for job in jobs]
    assert await world.consumer.consume(messages) == []
    assert results_of(world.pushed("x=")) == [["x"]]
    assert results_of(world.pushed("y=")) == [["y"]]
    assert results_of(world.pushed("a=")) == [["a", "b"]]
    assert world.redelivery.hidden == [{messages[1].receipt: GUARDIAN_DELAY_SECONDS}]


async def test_a_guardian_that_came_back_with_its_batch_is_no_suspect(world: World) -> None:
    job = ask(world, "a")
    await world.consumer.consume([received(job.guardian(), receive_count=3)])
    assert world.redelivery.hidden == []


async def test_messages_that_can_not_be_hidden_come_back_all_the_same(world: World) -> None:
    world.redelivery.is_down = True
    job = ask(world, "fail")
    assert await world.consume(job) == [job]


async def test_the_wait_grows_with_each_failure(world: World) -> None:
    job = ask(world, "fail")
    seconds = []
    for receive_count in (1, 2, 3):
        redelivery = Redelivery(world.redelivery, lambda: 0.999)
        consumer = Consumer(registry=world.registry, worker=world.worker, redelivery=redelivery, jobs=world.jobs)
        world.redelivery.hidden.clear()
        message = received(job.next_attempt() if receive_count == 3 else job, 1)
        await consumer.consume([Message(message.message_id, message.receipt, message.body, receive_count)])
        seconds += [value for hidden in world.redelivery.hidden for value in hidden.values()]
    assert seconds[:2] == [1, 2]


def reading(world: World, bodies: FakeBodies) -> Consumer:
    redelivery = Redelivery(world.redelivery, lambda: 0.5)
    return Consumer(registry=world.registry, worker=world.worker, redelivery=redelivery, jobs=world.jobs, bodies=bodies)


async def test_a_job_too_large_for_a_message_is_worked_on_like_any_other(world: World) -> None:
    bodies = FakeBodies()
    body = bodies.pack(serialize_job(ask(world, "large")))
    assert await reading(world, bodies).consume([received(body)]) == []
    assert results_of(world.pushed("large=")) == [["large"]]


async def test_a_body_that_can_not_be_fetched_comes_back_and_one_that_is_gone_ends_with_the_dead_letters(
    world: World,
) -> None:
    bodies = FakeBodies()
    message = received(bodies.pack(serialize_job(ask(world, "large"))))
    bodies.is_down = True
    assert await reading(world, bodies).consume([message]) == [message.message_id]
    assert await reading(world, FakeBodies()).consume([message]) == [message.message_id]


def test_an_event_of_lambda_is_read() -> None:
    record = {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": "{}",
        "attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1545082649183"},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:ComputeQueue",
    }
    assert parse_event({"Records": [record]}) == [
        Message("059f36b4-87a3-44ab-83d2-661975830a7d", "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a", "{}", 2)
    ]
