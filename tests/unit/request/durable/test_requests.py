"""Durable requests: once accepted they are in the queue, and the same request is one however often it is sent."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from push.access.tokens import Identity
from push.durable.requests import Deliver, RequestStatus, parse_queued_request, serialize_message
from push.errors import ErrorCode, PushasideError, QueueUnavailableError, RequestError, TransientError
from request.durable.requests import DEFAULT_DEADLINE_MS, id_of_key, parse_new_request
from tests.worlds.durable import ACME, ACME_BOB, GLOBEX, HOOK, RequestWorld


@pytest.fixture
def world() -> RequestWorld:
    return RequestWorld()


def refusal(world: RequestWorld, **request: object) -> PushasideError:
    with pytest.raises(PushasideError) as refused:
        world.post(**request)
    return refused.value


def test_what_is_accepted_is_wholly_in_the_queue_and_has_a_record(world: RequestWorld) -> None:
    accepted = world.post(id="1", params={"text": "a"}, deliver=HOOK, max_age=5)
    ((request, delay_seconds),) = world.queue.take()
    assert (accepted.id, accepted.status, delay_seconds) == ("1", RequestStatus.PENDING, 0)
    assert (request.tenant, request.principal, request.id) == ("acme", "ada", "1")
    assert (request.compute, bytes(request.params), request.max_age) == ("echo", b'{"text":"a"}', 5)
    assert request.deliver == Deliver(webhook=HOOK["webhook"])
    assert request.deadline_at_ms - request.accepted_at_ms == DEFAULT_DEADLINE_MS
    record = world.record("1")
    assert (record.fingerprint, record.deadline_at_ms) == (request.fingerprint, request.deadline_at_ms)


def test_a_request_without_an_id_gets_one(world: RequestWorld) -> None:
    assert [world.post().id, world.post().id] == ["made-1", "made-2"]


def test_an_idempotency_key_makes_the_id(world: RequestWorld) -> None:
    assert world.post(key="order 17").id == world.post(key="order 17").id == id_of_key("order 17")
    assert len(world.queue.sent) == len(world.records.records) == 1


def test_an_id_goes_before_an_idempotency_key(world: RequestWorld) -> None:
    assert world.post(id="1", key="order 17").id == "1"


def test_a_repeated_request_is_answered_with_its_status_and_not_sent_again(world: RequestWorld) -> None:
    world.post(id="1")
    assert world.post(id="1").status is RequestStatus.PENDING
    assert len(world.queue.sent) == 1


@pytest.mark.parametrize(
    "other", [{"params": {"text": "b"}}, {"deliver": HOOK}, {"max_age": 1}, {"compute": "shared"}], ids=str
)
def test_another_request_under_the_same_id_is_refused(world: RequestWorld, other: dict) -> None:
    world.post(id="1", params={"text": "a"})
    refused = refusal(world, id="1", **{"params": {"text": "a"}, **other})
    assert refused.code is ErrorCode.INVALID_PARAMS
    assert len(world.queue.sent) == 1


@pytest.mark.parametrize("other", [GLOBEX, ACME_BOB], ids=["another tenant", "another principal"])
def test_ids_are_a_principals_own(world: RequestWorld, other: Identity) -> None:
    world.post(id="1", params={"text": "a"})
    assert world.post(id="1", params={"text": "b"}, identity=other).status is RequestStatus.PENDING
    assert len(world.queue.sent) == 2
    world.post(key="k", params={"text": "a"})
    world.post(key="k", params={"text": "b"}, identity=other)
    assert len(world.queue.sent) == 4


def test_a_request_that_the_queue_does_not_take_leaves_nothing_behind(world: RequestWorld) -> None:
    world.queue.is_down = True
    with pytest.raises(QueueUnavailableError):
        world.post(id="1")
    assert world.records.records == {}


async def test_a_request_whose_record_is_not_made_is_refused_and_sending_it_again_makes_it_one(
    world: RequestWorld,
) -> None:
    world.records.is_down = True
    with pytest.raises(TransientError):
        world.post()
    world.records.is_down = False
    ((request, _),) = world.queue.take()
    await world.look(request)
    assert world.record("made-1").status is RequestStatus.PENDING


def test_a_message_that_was_faster_than_the_record_is_no_other_request(world: RequestWorld) -> None:
    send = world.queue.send

    def send_and_have_it_received_at_once(requests) -> None:
        send(requests)
        world.records.put(requests[0][0])

    world.queue.send = send_and_have_it_received_at_once
    assert world.post().status is RequestStatus.PENDING


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", ErrorCode.INVALID_JSON),
        (b"{", ErrorCode.INVALID_JSON),
        (b'{"compute":"\xff"}', ErrorCode.INVALID_JSON),
        (b'{"compute":"echo","deliver":{"poll":true},"params":' + b"[" * 100_000, ErrorCode.INVALID_JSON),
        (b"[]", ErrorCode.INVALID_MESSAGE),
        (b'{"deliver":{"poll":true}}', ErrorCode.INVALID_MESSAGE),
        (b'{"compute":"echo"}', ErrorCode.INVALID_MESSAGE),
        (b'{"compute":"echo","deliver":{}}', ErrorCode.INVALID_MESSAGE),
        (b'{"compute":"echo","deliver":{"poll":false}}', ErrorCode.INVALID_MESSAGE),
        (b'{"compute":"echo","deliver":{"poll":true,"sns":"arn"}}', ErrorCode.INVALID_MESSAGE),
        (b'{"compute":"echo","deliver":{"webhook":1}}', ErrorCode.INVALID_MESSAGE),
        (b'{"compute":"echo","deliver":{"poll":true},"id":""}', ErrorCode.INVALID_MESSAGE),
        (b'{"compute":"echo","deliver":{"poll":true},"id":"a/b"}', ErrorCode.INVALID_MESSAGE),
        (b'{"compute":"echo","deliver":{"poll":true},"id":"%b"}' % ("é" * 65).encode(), ErrorCode.INVALID_MESSAGE),
        (b'{"compute":"echo","deliver":{"poll":true},"deadline_ms":0}', ErrorCode.INVALID_MESSAGE),
        (b'{"compute":"echo","deliver":{"poll":true},"deadline_ms":86400001}', ErrorCode.INVALID_MESSAGE),
        (b'{"compute":"echo","deliver":{"poll":true},"max_age":-1}', ErrorCode.INVALID_MESSAGE),
    ],
    ids=lambda value: str(value)[:70],
)
def test_what_is_no_request_is_refused_by_its_reason(body: bytes, code: ErrorCode) -> None:
    with pytest.raises(RequestError) as refused:
        parse_new_request(body)
    assert refused.value.code is code


def test_an_id_of_dots_and_of_any_letters_is_taken(world: RequestWorld) -> None:
    assert world.post(id="..").id == ".."
    assert world.post(id="é" * 64).id == "é" * 64


def test_what_is_not_on_offer_is_refused_before_anything_is_sent(world: RequestWorld) -> None:
    assert refusal(world, compute="nothing").code is ErrorCode.UNKNOWN_COMPUTE
    assert refusal(world, params={"number": "one"}).code is ErrorCode.INVALID_PARAMS
    assert refusal(world, params=None).code is ErrorCode.INVALID_PARAMS
    assert world.queue.sent == []


@pytest.mark.parametrize("text", ["\ufffe\uffff", "\\uffff", 'é"\\', "\x00"])
def test_a_request_is_the_same_behind_the_queue(world: RequestWorld, text: str) -> None:
    body = msgspec.json.encode({"compute": "echo", "params": {"text": text}, "deliver": {"poll": True}, "id": text})
    world.requests.accept(body, "", ACME)
    ((request, _),) = world.queue.take()
    assert request.fingerprint == world.record(request.id).fingerprint
    assert parse_queued_request(serialize_message(request)).fingerprint == request.fingerprint
    assert request.id == text


def test_a_pending_request_is_found_at_once(world: RequestWorld) -> None:
    world.post(id="1")
    assert world.requests.find(ACME, "1").status is RequestStatus.PENDING
    assert world.slept == []


@pytest.mark.parametrize("other", [GLOBEX, ACME_BOB], ids=["another tenant", "another principal"])
def test_a_request_is_found_by_its_own_principal_only(world: RequestWorld, other: Identity) -> None:
    world.post(id="1")
    with pytest.raises(RequestError) as refused:
        world.requests.find(other, "1", 20)
    assert refused.value.code is ErrorCode.NOT_FOUND
    assert world.slept == []


def test_who_waits_looks_ever_less_often_and_not_for_longer_than_he_said(world: RequestWorld) -> None:
    world.post(id="1")
    assert world.requests.find(ACME, "1", 20).status is RequestStatus.PENDING
    assert world.slept[0] == pytest.approx(0.1)
    assert max(world.slept) == pytest.approx(1.0)
    assert sum(world.slept) == pytest.approx(20, abs=0.1)


def test_who_waits_has_it_as_soon_as_it_is_settled(world: RequestWorld) -> None:
    world.post(id="1")
    sleep = world.requests.sleep

    def settled_meanwhile(seconds: float) -> None:
        sleep(seconds)
        if len(world.slept) == 3:
            world.records.records[world.record("1").name] = replace(world.record("1"), status=RequestStatus.DONE)

    requests = replace(world.requests, sleep=settled_meanwhile)
    assert requests.find(ACME, "1", 20).status is RequestStatus.DONE
    assert len(world.slept) == 3
