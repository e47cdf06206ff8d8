"""Large results as those get them who waited; and that whoever has the result can link to its payload."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from push.delivery.ports import PostOutcome
from push.keys import parse_storage
from push.protocol.payloads import LINK_FROM_BYTES, payload_name
from push.results import Status
from tests.builders.results import make_result
from tests.worlds.functions import World


@pytest.fixture
def world() -> World:
    return World()


def ask(world: World, size_bytes: int, **request: object) -> None:
    params = json.dumps({"text": "0123456789abcdef" * (size_bytes // 16)}).encode()
    assert world.ask(params=params, **request)["type"] == "accepted"


async def test_each_waiter_is_sent_the_form_that_it_reads(world: World) -> None:
    world.client_encodings.note("ann=", ("gzip",))
    ask(world, 50_000, connection_id="ann=")
    ask(world, 50_000, connection_id="ben=")
    ask(world, 50_000, connection_id="cat=", accept=("gzip",))
    ask(world, 50_000, connection_id="dan=", accept=())
    await world.consume_sent()
    forms = {each: world.pushed(each)[0].get("encoding") for each in ("ann=", "ben=", "cat=", "dan=")}
    assert forms == {"ann=": "gzip+base64", "ben=": None, "cat=": "gzip+base64", "dan=": None}
    assert [sorted(read) for read in world.connection_encodings.reads] == [["ann=", "ben="]]


async def test_small_results_cost_no_look_up(world: World) -> None:
    ask(world, 2000)
    await world.consume_sent()
    assert world.connection_encodings.reads == []
    assert len(world.pushed()) == 1


async def test_without_redis_all_are_sent_what_all_read(world: World) -> None:
    world.client_encodings.note("ann=", ("gzip",))
    world.model.is_down = True
    ask(world, 50_000)
    await world.consume_sent()
    assert "encoding" not in world.pushed()[0]


async def test_chunks_reach_every_waiter_whole(world: World) -> None:
    for connection_id in ("ann=", "ben="):
        ask(world, 200_000, connection_id=connection_id)
    await world.consume_sent()
    for connection_id in ("ann=", "ben="):
        pieces = world.pushed(connection_id)
        assert {piece["count"] for piece in pieces} == {len(pieces)}
        assert json.loads("".join(piece["data"] for piece in pieces))["type"] == "result"
    assert not any(entry.waiters for entry in world.model.entries.values())


async def test_large_answers_to_many_are_made_some_at_a_time_while_the_lease_is_kept(world: World) -> None:
    callers = [f"{number}=" for number in range(300)]
    for connection_id in callers:
        ask(world, 480_000, connection_id=connection_id)
    at_once = []
    post_all, renew, renewed = world.connections.post_all, world.leases.renew, []

    async def post(frames: Sequence[tuple[str, str]]) -> list[PostOutcome]:
        at_once.append(sum(len(frame) for _, frame in frames))
        return await post_all(frames)

    async def remember(*arguments: object) -> object:
        renewed.append(arguments)
        return await renew(*arguments)

    world.connections.post_all, world.leases.renew = post, remember
    await world.consume_sent()
    assert max(at_once) < 80_000_000 < sum(at_once)
    assert len(renewed) >= len(at_once)
    assert {connection_id for connection_id, _ in world.connections.frames} == set(callers)


async def test_who_is_sent_a_part_only_still_waits(world: World) -> None:
    ask(world, 200_000, connection_id="ann=")
    ask(world, 200_000, connection_id="ben=")
    world.connections.outcomes["ann="] = PostOutcome.RETRY
    world.deliveries.is_down = True
    await world.consume_sent()
    (entry,) = world.model.entries.values()
    assert [waiter.connection_id for waiter in entry.waiters] == ["ann="]


async def test_chunks_that_must_be_tried_again_are_all_queued(world: World) -> None:
    ask(world, 200_000)
    world.connections.outcomes["ann="] = PostOutcome.RETRY
    await world.consume_sent()
    pieces = [json.loads(delivery.frame) for delivery, _ in world.deliveries.sent]
    assert len(pieces) == pieces[0]["count"]
    assert not any(entry.waiters for entry in world.model.entries.values())


async def test_a_payload_is_there_before_its_result_is(world: World) -> None:
    seen = []
    fill = world.leases.fill

    async def look(*arguments: object) -> object:
        seen.append(dict(world.payloads.stored))
        return await fill(*arguments)

    world.leases.fill = look
    ask(world, LINK_FROM_BYTES)
    await world.consume_sent()
    ((name, data),) = seen[0].items()
    (storage,) = world.model.entries
    result = world.model.entries[storage].result
    assert name == payload_name(parse_storage(storage), result.etag)
    assert data == result.data
    assert world.pushed()[0]["url"].startswith(f"https://storage.test/{name}?")


async def test_a_payload_that_can_not_be_stored_has_the_compute_tried_again(world: World) -> None:
    ask(world, LINK_FROM_BYTES)
    world.payloads.is_down = True
    (job,) = await world.consume_sent()
    assert world.pushed() == []
    assert all(entry.result is None for entry in world.model.entries.values())
    world.payloads.is_down = False
    assert await world.consume(job, receive_count=2) == []
    assert "url" in world.pushed()[0]


async def test_a_payload_is_stored_without_redis_too(world: World) -> None:
    world.model.is_down = True
    ask(world, LINK_FROM_BYTES)
    await world.consume_sent()
    assert len(world.payloads.stored) == 1
    assert "url" in world.pushed()[0]


async def test_what_goes_in_messages_is_stored_nowhere_else(world: World) -> None:
    ask(world, LINK_FROM_BYTES - 2000)
    await world.consume_sent()
    assert world.payloads.stored == {}


def test_payloads_of_tenants_are_apart() -> None:
    result = make_result(status=Status.VALUE)
    names = {payload_name(parse_storage(f"{tenant}/echo@1:{'0' * 32}"), result.etag) for tenant in ("a", "b", "*")}
    assert len(names) == 3
