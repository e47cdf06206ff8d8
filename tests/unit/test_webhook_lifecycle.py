"""No delivery is lost, whoever dies where, whatever is delivered twice, and however the receiver answers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from push.durable.ports import AttemptOutcome
from push.durable.requests import DeliveryState, RequestRecord, WebhookJob, parse_webhook_job, serialize_message
from push.durable.webhook_delivering import WebhookDeliverer
from push.errors import TransientError
from tests.builders.results import NOW_MS
from tests.builders.webhooks import make_record
from tests.fakes.queues import FakeCounter
from tests.fakes.simulated_queue import Queued, SimulatedQueue, now
from tests.fakes.virtual_time import run_virtually
from tests.fakes.webhooks import FakeAttempts

pytestmark = pytest.mark.slow

REQUESTS = 5


class Queue:
    """`WebhookQueue` on a simulated one; a worker may die before a message is sent and after it."""

    def __init__(self, queue: SimulatedQueue, delay: Callable[[], Awaitable[None]]) -> None:
        self._queue = queue
        self._delay = delay

    async def send(self, jobs: Sequence[WebhookJob], delay_seconds: int = 0) -> None:
        await self._delay()
        for job in jobs:
            self._queue.send(serialize_message(job), delay_seconds)
        await self._delay()


class Receiver:
    """`AnswerSender` whose receiver takes a while, and takes four webhooks in ten."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.taken: Counter[str] = Counter()
        self.posts: Counter[str] = Counter()

    async def send(self, record: RequestRecord) -> AttemptOutcome:
        await asyncio.sleep(self._rng.random() * 10)
        self.posts[record.id] += 1
        is_taken = self._rng.random() < 0.4
        self.taken[record.id] += is_taken
        await asyncio.sleep(self._rng.random() * 3)
        return (
            AttemptOutcome(200)
            if is_taken
            else AttemptOutcome(503, "The receiver answered 503.", self._rng.choice([0.0, 7200.0]))
        )


async def live(seed: int, deaths: int, duplicates: int) -> tuple[FakeAttempts, Receiver, SimulatedQueue, list[str]]:
    """Deliver a few requests while workers die; return what is left."""
    rng = random.Random(seed)

    async def delay() -> None:
        await asyncio.sleep(rng.random() * 3)

    attempts = FakeAttempts(delay)
    dead_letters = SimulatedQueue(rng)
    queue = SimulatedQueue(rng, dead_letters)
    receiver = Receiver(rng)
    deliverer = WebhookDeliverer(
        attempts=attempts,
        queue=Queue(queue, delay),
        dead_letters=Queue(dead_letters, delay),
        webhooks=receiver,
        topics=receiver,
        counter=FakeCounter(),
        now_ms=lambda: NOW_MS + int(now() * 1000),
        random=rng.random,
    )
    working: set[asyncio.Task[None]] = set()

    async def work_on(batch: list[Queued]) -> None:
        outcomes = await asyncio.gather(
            *(deliverer.deliver(parse_webhook_job(each.body)) for each in batch), return_exceptions=True
        )
        failed = [each.message_id for each, outcome in zip(batch, outcomes, strict=True) if outcome is not None]
        assert all(outcome is None or isinstance(outcome, TransientError) for outcome in outcomes)
        queue.end_batch(batch, failed)

    def begin(batch: list[Queued]) -> None:
        task = asyncio.ensure_future(work_on(batch))
        working.add(task)
        task.add_done_callback(working.discard)

    async def do_harm() -> None:
        for harm in rng.sample(["kill"] * deaths + ["duplicate"] * duplicates, deaths + duplicates):
            # Most of what happens, happens at the beginning.
            await asyncio.sleep(rng.expovariate(1 / 20))
            if harm == "duplicate":
                queue.duplicate()
            elif working:
                rng.choice(sorted(working, key=id)).cancel()

    records = [make_record(id=str(number)) for number in range(REQUESTS)]
    for record in records:
        attempts.put(record)
        queue.send(serialize_message(WebhookJob(record.tenant, record.id, principal=record.principal)))
    consumer = asyncio.ensure_future(queue.deliver_to(begin))
    await do_harm()
    while queue.messages or working:  # noqa: ASYNC110 - time costs nothing here
        await asyncio.sleep(60)
    consumer.cancel()
    await asyncio.gather(consumer, *working, return_exceptions=True)
    given_up = [parse_webhook_job(each.body).id for each in dead_letters.messages.values()]
    return attempts, receiver, queue, given_up


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32), deaths=st.integers(0, 6), duplicates=st.integers(0, 4))
def test_every_request_is_delivered_or_kept_as_a_dead_letter(seed: int, deaths: int, duplicates: int) -> None:
    attempts, receiver, _, given_up = run_virtually(live(seed, deaths, duplicates))
    for record in attempts.records.values():
        assert record.attempt_until_ms == 0, "an attempt was left under way"
        if record.delivery is DeliveryState.DELIVERED:
            assert receiver.taken[record.id] >= 1
        else:
            assert record.delivery is DeliveryState.FAILED
            assert record.id in given_up


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 2**32), duplicates=st.integers(0, 6))
def test_while_nobody_dies_no_receiver_is_called_again_that_has_answered(seed: int, duplicates: int) -> None:
    attempts, receiver, _, given_up = run_virtually(live(seed, 0, duplicates))
    assert all(count <= 1 for count in receiver.taken.values())
    assert all(receiver.posts[record.id] == len(record.attempts) <= 7 for record in attempts.records.values())
    assert len(given_up) == len(set(given_up)) or duplicates
