"""Answers of durable requests: where their data are kept, and that each request is settled once."""

from __future__ import annotations

import base64
import random

import msgspec
import pytest
from msgspec.structs import replace

from push.cache.jobs import Waiter
from push.durable.recording import INLINE_BYTES
from push.durable.requests import RequestStatus
from push.errors import PushasideError, TransientError
from push.metrics import Metric
from push.protocol.frames import CacheState
from push.protocol.payloads import LINK_FROM_BYTES, payload_name
from push.results import Result, Status
from tests.builders.results import make_result, unique_key
from tests.worlds.durable import HOOK, RequestWorld

WAITER = Waiter("", "1", tenant="acme", principal="ada")


@pytest.fixture
def world() -> RequestWorld:
    world = RequestWorld()
    world.post(id="1", deliver=HOOK)
    return world


def noise(size_bytes: int) -> bytes:
    """Return JSON of so many bytes that hardly compresses."""
    digits = base64.b64encode(random.Random(1).randbytes(size_bytes)).decode()
    return msgspec.json.encode(digits[: size_bytes - 2])


async def record(world: RequestWorld, result: Result) -> str:
    """Settle the request with a result, and return the name its payload would have."""
    key = unique_key()
    await world.recorder.record_result(key, [WAITER], result, CacheState.MISS)
    return payload_name(key, result.etag)


async def test_a_result_is_recorded_as_the_socket_has_it(world: RequestWorld) -> None:
    world.clock.advance(250)
    await record(world, make_result(b'{"n":1}', computed_at_ms=world.clock() - 50))
    answer = world.answer("1")
    assert answer.pop("key").startswith("echo@1:")
    assert answer.pop("etag")
    assert answer == {"type": "result", "id": "1", "cache": "miss", "age_ms": 50, "data": {"n": 1}}


async def test_a_failure_is_recorded_as_an_error(world: RequestWorld) -> None:
    await record(world, make_result(b'{"code":"compute_failed"}', status=Status.FAILURE))
    assert world.record("1").status is RequestStatus.FAILED
    assert world.answer("1") == {"type": "error", "id": "1", "error": {"code": "compute_failed"}}


@pytest.mark.parametrize("data", [noise(INLINE_BYTES), b'"%b"' % (b"x" * (LINK_FROM_BYTES - 3))], ids=len)
async def test_what_a_record_holds_is_in_the_record(world: RequestWorld, data: bytes) -> None:
    await record(world, make_result(data))
    assert world.answer("1")["data"] == msgspec.json.decode(data)
    assert (world.record("1").payload, world.stored) == ("", {})


async def test_what_no_record_holds_is_stored_beside_it(world: RequestWorld) -> None:
    data = noise(LINK_FROM_BYTES - 1)
    name = await record(world, make_result(data))
    assert "data" not in world.answer("1")
    assert world.record("1").payload == name
    assert world.stored == {name: data}


async def test_what_was_stored_before_the_fill_is_not_stored_again(world: RequestWorld) -> None:
    name = await record(world, make_result(b'"%b"' % (b"x" * LINK_FROM_BYTES)))
    assert (world.record("1").payload, world.stored) == (name, {})


async def test_a_payload_that_can_not_be_stored_leaves_the_request_pending(world: RequestWorld) -> None:
    async def fail(_name: str, _data: bytes) -> None:
        raise TransientError

    world.recorder = replace(world.recorder, store_payload=fail)
    await record(world, make_result(noise(LINK_FROM_BYTES - 1)))
    assert world.record("1").status is RequestStatus.PENDING
    assert world.counter.of(Metric.UNRECORDED) == 1


async def test_the_first_answer_counts(world: RequestWorld) -> None:
    await record(world, make_result(b"1"))
    await world.recorder.record_error([WAITER], PushasideError())
    assert world.answer("1")["data"] == 1
    assert len(world.webhooks.sent) == 1


async def test_a_request_that_was_parked_twice_is_settled_once(world: RequestWorld) -> None:
    twice = [WAITER, Waiter("", "1", newer_than_ms=5, tenant="acme", principal="ada")]
    await world.recorder.record_result(unique_key(), twice, make_result(), CacheState.MISS)
    assert len(world.webhooks.sent) == 1


async def test_many_are_settled_and_begun_together(world: RequestWorld) -> None:
    waiters = [Waiter("", str(number), tenant="acme", principal="ada") for number in range(2, 60)]
    for waiter in waiters:
        world.post(id=waiter.request_id, deliver=HOOK)
    await world.recorder.record_result(unique_key(), waiters, make_result(), CacheState.MISS)
    assert sorted(int(job.id) for job in world.webhooks.sent) == list(range(2, 60))
    assert world.counter.of(Metric.SETTLED, ("Status", "done")) == 58


async def test_a_request_that_nobody_recorded_is_passed_over(world: RequestWorld) -> None:
    unknown = Waiter("", "unknown", tenant="acme", principal="ada")
    assert await world.recorder.settle_with_error([unknown], PushasideError()) == []
    assert world.webhooks.sent == []
