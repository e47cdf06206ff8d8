"""Durable requests in their queue: each ends in its record, and nothing but its message need survive for that."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from push.durable.requests import QueuedRequest, RequestStatus, WebhookJob
from push.metrics import Metric
from tests.worlds.durable import ACME, GLOBEX, HOOK, RequestWorld


@pytest.fixture
def world() -> RequestWorld:
    return RequestWorld()


async def fill(world: RequestWorld) -> None:
    """Have the result of `echo` in the cache."""
    world.world.ask()
    await world.world.consume_sent()


def queued(world: RequestWorld) -> QueuedRequest:
    ((request, _),) = world.queue.take()
    return request


async def test_a_result_in_the_cache_settles_a_request_at_once(world: RequestWorld) -> None:
    await fill(world)
    world.post(id="1")
    await world.look_at_sent()
    record, answer = world.record("1"), world.answer("1")
    assert (record.status, record.settled_at_ms) == (RequestStatus.DONE, world.clock())
    assert (answer["type"], answer["id"], answer["cache"]) == ("result", "1", "hit")
    assert answer["data"] == {"tenant": "acme", "text": "", "number": 0}
    assert world.queue.sent == []


async def test_a_request_that_must_be_computed_is_parked_and_looked_at_again(world: RequestWorld) -> None:
    world.post(id="1")
    await world.look_at_sent()
    ((request, delay_seconds),) = world.queue.take()
    assert (request.look, delay_seconds) == (2, 10)
    assert world.record("1").status is RequestStatus.PENDING
    await world.world.consume_sent()
    assert world.record("1").status is RequestStatus.DONE
    assert world.answer("1")["cache"] == "miss"
    assert await world.look(request) == []
    assert world.queue.sent == []


async def test_many_requests_of_one_key_are_one_compute(world: RequestWorld) -> None:
    for number in range(10):
        world.post(id=str(number))
    await world.settle()
    assert world.world.counter.of(Metric.COMPUTE, ("ComputeName", "echo")) == 1
    assert {world.record(str(number)).status for number in range(10)} == {RequestStatus.DONE}


async def test_each_tenant_has_its_own_result(world: RequestWorld) -> None:
    world.post(id="1")
    world.post(id="1", identity=GLOBEX)
    await world.settle()
    assert [world.answer("1", identity)["data"]["tenant"] for identity in (ACME, GLOBEX)] == ["acme", "globex"]


async def test_looks_become_rarer_and_the_last_is_at_the_deadline(world: RequestWorld) -> None:
    world.post(id="1", deadline_ms=900_000)
    delays = []
    while world.queue.sent:
        ((request, delay_seconds),) = world.queue.take()
        delays.append(delay_seconds)
        world.clock.advance(delay_seconds * 1000)
        world.world.jobs.sent.clear()
        await world.look(request)
    assert delays == [0, 10, 20, 40, 80, 160, 300, 291]
    assert world.answer("1")["error"]["code"] == "timeout"
    assert world.record("1").status is RequestStatus.FAILED


async def test_what_redis_forgot_is_asked_for_again(world: RequestWorld) -> None:
    world.post(id="1")
    await world.look_at_sent()
    world.world.model.flush()
    world.world.jobs.sent.clear()
    await world.settle()
    assert world.record("1").status is RequestStatus.DONE


async def test_without_redis_the_job_brings_the_answer(world: RequestWorld) -> None:
    world.world.model.is_down = True
    world.post(id="1")
    await world.settle()
    assert world.record("1").status is RequestStatus.DONE


async def test_a_message_without_a_record_makes_it(world: RequestWorld) -> None:
    world.post(id="1")
    world.records.records.clear()
    await world.settle()
    assert world.record("1").status is RequestStatus.DONE


async def test_a_message_of_another_request_under_the_id_is_dropped(world: RequestWorld) -> None:
    world.post(id="1", params={"text": "accepted"})
    request = queued(world)
    other = msgspec.structs.replace(request, params=msgspec.Raw(b'{"text":"not accepted"}'))
    assert await world.look(other) == []
    assert (world.queue.sent, world.world.jobs.sent) == ([], [])


async def test_the_recorded_deadline_counts_of_two_messages_of_one_request(world: RequestWorld) -> None:
    world.post(id="1")
    request = queued(world)
    earlier = msgspec.structs.replace(request, deadline_at_ms=world.clock() - 1)
    await world.look(earlier)
    assert world.record("1").status is RequestStatus.PENDING


async def test_a_settled_webhook_is_handed_to_its_queue(world: RequestWorld) -> None:
    world.post(id="1", deliver=HOOK)
    await world.settle()
    assert world.webhooks.sent == [WebhookJob("acme", "1", principal="ada")]


async def test_a_poll_is_not(world: RequestWorld) -> None:
    world.post(id="1")
    await world.settle()
    assert world.webhooks.sent == []


async def test_a_delivery_that_was_not_begun_is_begun_at_the_next_look(world: RequestWorld) -> None:
    world.post(id="1", deliver=HOOK)
    world.webhooks.is_down = True
    await world.settle()
    assert (world.record("1").status, world.webhooks.sent) == (RequestStatus.DONE, [])
    await world.look_at_sent()
    assert len(world.queue.sent) == 1
    world.webhooks.is_down = False
    await world.look_at_sent()
    assert (world.webhooks.sent, world.queue.sent) == ([WebhookJob("acme", "1", principal="ada")], [])


async def test_a_delivery_under_way_is_not_begun_again(world: RequestWorld) -> None:
    world.post(id="1", deliver=HOOK)
    await world.settle()
    world.webhooks.sent.clear()
    world.records.records[world.record("1").name] = replace(world.record("1"), attempt_count=1)
    await world.look_at_sent()
    assert (world.webhooks.sent, world.queue.sent) == ([], [])


async def test_an_answer_that_was_not_recorded_is_found_in_the_cache_at_the_next_look(world: RequestWorld) -> None:
    world.post(id="1")
    await world.look_at_sent()
    world.records.is_down = True
    await world.world.consume_sent()
    assert world.counter.of(Metric.UNRECORDED) == 1
    world.records.is_down = False
    await world.look_at_sent()
    assert world.answer("1")["cache"] == "hit"
    assert world.world.counter.of(Metric.COMPUTE, ("ComputeName", "echo")) == 1


async def test_while_the_records_are_down_a_request_goes_on_being_looked_at(world: RequestWorld) -> None:
    world.post(id="1", deadline_ms=1000)
    world.records.is_down = True
    for _ in range(5):
        ((request, delay_seconds),) = world.queue.take()
        world.clock.advance(delay_seconds * 1000)
        assert await world.look(request) == []
    ((_, delay_seconds),) = world.queue.sent
    assert delay_seconds == 10


async def test_a_message_whose_next_look_can_not_be_sent_comes_back(world: RequestWorld) -> None:
    world.post(id="1")
    request = queued(world)
    world.queue.is_down = True
    assert await world.look(request) == [request]


async def test_what_can_not_be_asked_for_now_is_asked_for_later(world: RequestWorld) -> None:
    world.post(id="1")
    world.world.jobs.is_down = True
    await world.look_at_sent()
    world.world.jobs.is_down = False
    await world.settle()
    assert world.record("1").status is RequestStatus.DONE


@pytest.mark.parametrize(
    ("compute", "params", "code"), [("gone", b"{}", "unknown_compute"), ("echo", b"[]", "invalid_params")]
)
async def test_what_a_new_deployment_does_not_offer_any_more_fails(
    world: RequestWorld, compute: str, params: bytes, code: str
) -> None:
    world.post(id="1")
    request = msgspec.structs.replace(queued(world), id="2", compute=compute, params=msgspec.Raw(params))
    assert await world.look(request) == []
    assert world.answer("2")["error"]["code"] == code
    assert world.record("2").status is RequestStatus.FAILED


async def test_nothing_older_than_was_asked_for_will_do_at_any_look(world: RequestWorld) -> None:
    await fill(world)
    world.clock.advance(1000)
    world.post(id="1", max_age=0)
    await world.look_at_sent()
    assert world.record("1").status is RequestStatus.PENDING
    world.clock.advance(10_000)
    await world.look_at_sent()
    (key,) = (entry for entry in world.world.model.entries.values() if entry.waiters)
    assert [waiter.newer_than_ms for waiter in key.waiters] == [world.record("1").accepted_at_ms]


async def test_what_was_computed_since_it_was_accepted_is_new_enough_at_a_later_look(world: RequestWorld) -> None:
    world.post(id="1", max_age=0)
    request = queued(world)
    world.clock.advance(500)
    await fill(world)
    world.clock.advance(5000)
    await world.look(request)
    assert world.answer("1")["cache"] == "hit"


async def test_one_bad_message_does_not_keep_the_others(world: RequestWorld) -> None:
    await fill(world)
    world.post(id="1")
    ((body, _),) = world.queue.sent
    assert await world.look_at(["no message", body]) == ["0"]
    assert world.record("1").status is RequestStatus.DONE
