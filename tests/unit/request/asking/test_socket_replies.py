"""How a found answer is sent: in the form the client reads, in the route response or, if it fits none, later."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from push.errors import QueueUnavailableError
from push.protocol.large_answers import LARGE_FROM_BYTES
from push.protocol.payloads import LINK_FROM_BYTES, LINK_SECONDS
from tests.worlds.functions import World

TEXT = "0123456789abcdef"


@pytest.fixture
def world() -> World:
    return World()


async def fill(world: World, size_bytes: int) -> bytes:
    """Have a result of about a size computed, and return the params that ask for it."""
    params = json.dumps({"text": TEXT * (size_bytes // len(TEXT))}).encode()
    world.ask("fill", connection_id="filler=", params=params)
    await world.consume_sent()
    world.jobs.sent.clear()
    return params


def decoded(frame: dict) -> dict:
    assert frame["encoding"] == "gzip+base64"
    return json.loads(gzip.decompress(base64.b64decode(frame["data"])))


def joined(world: World) -> dict:
    """Put together the chunks that were queued."""
    pieces = [json.loads(delivery.frame) for delivery, _ in world.deliveries.sent]
    return json.loads("".join(piece["data"] for piece in sorted(pieces, key=lambda piece: piece["index"])))


async def test_large_data_are_encoded_for_a_request_that_says_so(world: World) -> None:
    params = await fill(world, 50_000)
    assert decoded(world.ask(params=params, accept=("gzip",)))["text"] == json.loads(params)["text"]
    assert "encoding" not in world.ask(params=params)
    assert "encoding" not in world.ask(params=params, accept=("br",))


async def test_what_hello_said_counts_where_the_request_says_nothing(world: World) -> None:
    params = await fill(world, 50_000)
    world.client_encodings.note("ann=", ("gzip",))
    world.client_encodings = world.new_client_encodings()
    assert "encoding" in world.ask(params=params)
    assert "encoding" not in world.ask(params=params, accept=())
    assert "encoding" not in world.ask(params=params, connection_id="ben=")


async def test_small_data_cost_no_look_up_and_are_plain(world: World) -> None:
    params = await fill(world, LARGE_FROM_BYTES - 100)
    world.client_encodings.note("ann=", ("gzip",))
    world.client_encodings = world.new_client_encodings()
    assert "encoding" not in world.ask(params=params)
    assert world.encodings.reads == []


async def test_a_connection_is_looked_up_once_in_a_while_and_not_if_the_request_says_it(world: World) -> None:
    params = await fill(world, 50_000)
    for _ in range(5):
        world.ask(params=params, accept=("gzip",), connection_id="ben=")
        world.ask(params=params)
    assert world.encodings.reads == ["ann="]
    world.client_encodings.note("ann=", ("gzip",))
    assert "encoding" in world.ask(params=params)


async def test_a_hello_to_another_environment_is_known_soon(world: World) -> None:
    params = await fill(world, 50_000)
    world.ask(params=params)
    world.new_client_encodings().note("ann=", ("gzip",))
    world.clock.advance(60_000)
    assert "encoding" in world.ask(params=params, max_age=3600)


async def test_without_redis_everybody_is_sent_what_everybody_reads(world: World) -> None:
    params = await fill(world, 50_000)
    world.ask(params=params, connection_id="ben=")
    world.model.is_down = True
    world.client_encodings.note("cat=", ("gzip",))
    assert "encoding" not in world.ask(params=params)
    assert "encoding" in world.ask(params=params, connection_id="cat=")


async def test_data_are_encoded_once_for_as_long_as_they_are_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from push.cache import memory as memory_cache

    encode, encoded = memory_cache.encode_data, []
    monkeypatch.setattr(memory_cache, "encode_data", lambda data: encoded.append(data) or encode(data))
    params = await fill(world, 50_000)
    for _ in range(5):
        world.ask(params=params, accept=("gzip",))
    assert len(encoded) == 1


async def test_what_fits_no_message_is_accepted_and_sent_in_chunks_by_the_queue(world: World) -> None:
    params = await fill(world, 200_000)
    assert world.ask("7", params=params) == {"type": "accepted", "id": "7"}
    message = joined(world)
    assert (message["type"], message["id"], message["cache"]) == ("result", "7", "hit")
    assert message["data"]["text"] == json.loads(params)["text"]
    assert {delivery.connection_id for delivery, _ in world.deliveries.sent} == {"ann="}
    assert len({delivery for delivery, _ in world.deliveries.sent}) == len(world.deliveries.sent)


async def test_if_the_queue_takes_no_chunks_the_client_learns_that(world: World) -> None:
    params = await fill(world, 200_000)
    world.deliveries.is_down = True
    assert isinstance(world.refusal(params=params), QueueUnavailableError)


async def test_what_is_larger_still_is_a_link_for_a_short_time(world: World) -> None:
    params = await fill(world, LINK_FROM_BYTES)
    frame = world.ask(params=params)
    (name,) = world.payloads.stored
    assert frame["url"] == world.payloads.link(name, LINK_SECONDS)
    assert json.loads(world.payloads.stored[name])["text"] == json.loads(params)["text"]
    assert "data" not in frame
    assert world.deliveries.sent == []


async def test_what_compresses_into_a_message_needs_no_link(world: World) -> None:
    params = await fill(world, LINK_FROM_BYTES)
    assert decoded(world.ask(params=params, accept=("gzip",)))["text"] == json.loads(params)["text"]
