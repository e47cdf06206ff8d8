"""A settled request is tried until it is delivered or given up, whatever is delivered twice and whoever dies."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from push.computes import Tenant
from push.durable.ports import AttemptOutcome
from push.durable.requests import Attempt, Deliver, DeliveryState, RequestRecord, RequestStatus, WebhookJob
from push.durable.webhook_delivering import ATTEMPT_MS, KEPT_ATTEMPTS, WebhookDeliverer
from push.errors import QueueUnavailableError, TransientError
from push.metrics import Metric
from tests.builders.results import NOW_MS
from tests.builders.webhooks import make_record
from tests.fakes.queues import FakeCounter
from tests.fakes.webhooks import FakeAttempts, FakeSender, FakeWebhookQueue

FAILED = AttemptOutcome(500, "The receiver answered 500.")


@dataclass
class World:
    """A deliverer and all that it works with."""

    webhooks: FakeSender = field(default_factory=FakeSender)
    topics: FakeSender = field(default_factory=FakeSender)
    attempts: FakeAttempts = field(default_factory=FakeAttempts)
    queue: FakeWebhookQueue = field(default_factory=FakeWebhookQueue)
    dead_letters: FakeWebhookQueue = field(default_factory=FakeWebhookQueue)
    counter: FakeCounter = field(default_factory=FakeCounter)
    now_ms: int = NOW_MS

    def __post_init__(self) -> None:
        self.deliverer = WebhookDeliverer(
            attempts=self.attempts,
            queue=self.queue,
            dead_letters=self.dead_letters,
            webhooks=self.webhooks,
            topics=self.topics,
            counter=self.counter,
            now_ms=lambda: self.now_ms,
            random=lambda: 0.0,
        )
        self.attempts.put(make_record())

    @property
    def record(self) -> RequestRecord:
        return self.attempts.records[job().name]

    def outcomes(self, name: str) -> float:
        return self.counter.of(Metric.WEBHOOK_ATTEMPT, ("Outcome", name))


def job(attempt: int = 1, not_before_ms: int = 0) -> WebhookJob:
    return WebhookJob(Tenant("acme"), "request-1", attempt, not_before_ms, principal="ada")


async def test_an_attempt_that_succeeds_ends_the_delivery() -> None:
    world = World()
    await world.deliverer.deliver(job())
    assert world.record.delivery is DeliveryState.DELIVERED
    assert world.record.attempts == (Attempt(NOW_MS, 0, 200),)
    assert (world.queue.sent, world.dead_letters.sent) == ([], [])
    assert world.outcomes("delivered") == 1


async def test_an_attempt_that_fails_is_recorded_and_the_next_one_sent() -> None:
    world = World(FakeSender(FAILED))
    await world.deliverer.deliver(job())
    assert world.record.delivery is DeliveryState.RETRYING
    assert world.record.attempts == (Attempt(NOW_MS, 0, 500, "The receiver answered 500."),)
    assert world.record.next_attempt_at_ms == NOW_MS + 5000
    assert world.queue.sent == [(job(2, NOW_MS + 5000), 5)]
    assert world.outcomes("retrying") == 1


async def test_a_receiver_is_not_called_before_it_wants_to_be() -> None:
    world = World(FakeSender(AttemptOutcome(429, "busy", retry_after_seconds=60.0)))
    await world.deliverer.deliver(job())
    assert world.queue.sent == [(job(2, NOW_MS + 60_000), 60)]


async def test_a_message_that_comes_early_is_sent_on_to_its_time() -> None:
    world = World()
    early = job(2, NOW_MS + 7_200_000)
    await world.deliverer.deliver(early)
    assert world.queue.sent == [(early, 900)]
    assert world.webhooks.sent == []


async def test_seven_attempts_are_made_and_then_the_message_is_a_dead_letter() -> None:
    world = World(FakeSender(*[FAILED] * 7))
    await world.deliverer.deliver(job())
    while world.queue.sent:
        message, delay_seconds = world.queue.sent.pop()
        world.now_ms += delay_seconds * 1000
        await world.deliverer.deliver(message)
    assert len(world.webhooks.sent) == len(world.record.attempts) == 7
    assert world.record.delivery is DeliveryState.FAILED
    assert world.record.next_attempt_at_ms is None
    assert world.dead_letters.sent == [(job(8), 0)]
    assert world.outcomes("failed") == 1


async def test_a_dead_letter_sent_again_is_tried_again() -> None:
    world = World(FakeSender(*[FAILED] * 8))
    world.attempts.put(make_record(attempt_count=6, delivery=DeliveryState.RETRYING))
    await world.deliverer.deliver(job(7))
    ((dead_letter, _),) = world.dead_letters.sent
    await world.deliverer.deliver(dead_letter)
    assert world.dead_letters.sent[1:] == [(job(9), 0)]
    world.webhooks.outcomes.clear()
    await world.deliverer.deliver(job(9))
    assert world.record.delivery is DeliveryState.DELIVERED


async def test_what_no_attempt_will_change_is_given_up_at_once() -> None:
    world = World(FakeSender(AttemptOutcome(410, "gone", is_final=True)))
    await world.deliverer.deliver(job())
    assert world.record.delivery is DeliveryState.FAILED
    assert (world.queue.sent, world.dead_letters.sent) == ([], [(job(2), 0)])


async def test_a_message_delivered_twice_causes_one_attempt() -> None:
    world = World()
    await world.deliverer.deliver(job())
    await world.deliverer.deliver(job())
    assert len(world.webhooks.sent) == 1
    assert world.queue.sent == []


async def test_an_old_message_of_a_request_that_has_gone_on_is_dropped() -> None:
    world = World()
    world.attempts.put(make_record(attempt_count=3, delivery=DeliveryState.RETRYING))
    await world.deliverer.deliver(job(2))
    assert (world.webhooks.sent, world.queue.sent) == ([], [])


async def test_while_an_attempt_is_under_way_its_message_looks_again_after_its_time() -> None:
    world = World()
    world.attempts.put(make_record(attempt_count=1, attempt_until_ms=NOW_MS + ATTEMPT_MS))
    await world.deliverer.deliver(job())
    assert world.webhooks.sent == []
    assert world.queue.sent == [(job(), 30)]


async def test_an_attempt_whose_worker_died_is_made_again() -> None:
    world = World()
    world.attempts.put(make_record(attempt_count=1, attempt_until_ms=NOW_MS))
    await world.deliverer.deliver(job())
    assert world.record.delivery is DeliveryState.DELIVERED


async def test_the_next_attempt_is_sent_for_a_worker_who_died_before_he_sent_it() -> None:
    world = World(FakeSender(FAILED))
    world.queue.is_down = True
    with pytest.raises(QueueUnavailableError):
        await world.deliverer.deliver(job())
    world.queue.is_down = False
    world.now_ms += 180_000
    await world.deliverer.deliver(job())
    assert len(world.webhooks.sent) == 1
    assert world.queue.sent == [(job(2, NOW_MS + 5000), 1)]


async def test_the_dead_letter_is_sent_for_a_worker_who_died_before_he_sent_it() -> None:
    world = World(FakeSender(AttemptOutcome(410, "gone", is_final=True)))
    world.dead_letters.is_down = True
    with pytest.raises(QueueUnavailableError):
        await world.deliverer.deliver(job())
    world.dead_letters.is_down = False
    await world.deliverer.deliver(job())
    assert world.dead_letters.sent == [(job(2), 0)]


async def test_a_worker_who_took_too_long_changes_nothing_any_more() -> None:
    class SlowSender(FakeSender):
        async def send(self, record: RequestRecord) -> AttemptOutcome:
            world.attempts.put(make_record(attempt_count=1, attempt_until_ms=NOW_MS + 99_000))
            return FAILED

    world = World(SlowSender())
    await world.deliverer.deliver(job())
    assert world.record.attempts == ()
    assert world.queue.sent == []


@pytest.mark.parametrize("record", [None, make_record(status=RequestStatus.PENDING)], ids=["forgotten", "pending"])
async def test_what_is_not_to_be_delivered_is_not(record: RequestRecord | None) -> None:
    world = World()
    world.attempts.records.clear()
    if record is not None:
        world.attempts.put(record)
    await world.deliverer.deliver(job())
    assert (world.webhooks.sent, world.queue.sent, world.dead_letters.sent) == ([], [], [])
    assert world.outcomes("forgotten") == (record is None)


async def test_the_message_comes_back_if_the_records_are_not_reached() -> None:
    world = World()
    world.attempts.is_down = True
    with pytest.raises(TransientError):
        await world.deliverer.deliver(job())


async def test_an_attempt_that_could_not_be_made_is_made_when_the_message_comes_back() -> None:
    world = World(FakeSender(TransientError("no keys")))
    with pytest.raises(TransientError):
        await world.deliverer.deliver(job())
    world.now_ms += 180_000
    await world.deliverer.deliver(job())
    assert world.record.delivery is DeliveryState.DELIVERED


async def test_results_for_topics_go_to_topics() -> None:
    world = World()
    world.attempts.put(make_record(deliver=Deliver(sns="arn:aws:sns:eu-west-1:1:results")))
    await world.deliverer.deliver(job())
    assert (len(world.topics.sent), len(world.webhooks.sent)) == (1, 0)


async def test_the_newest_attempts_are_kept() -> None:
    world = World()
    old = tuple(Attempt(each, 1, 500, "x") for each in range(KEPT_ATTEMPTS))
    world.attempts.put(make_record(attempt_count=30, attempts=old, delivery=DeliveryState.FAILED))
    await world.deliverer.deliver(job(31))
    assert len(world.record.attempts) == KEPT_ATTEMPTS
    assert world.record.attempts[-1].status == 200
