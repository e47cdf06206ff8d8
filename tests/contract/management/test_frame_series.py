"""The contract of `SeriesConnections`, held by the lean client and by any client in turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from push.adapters.aws.sigv4 import Credentials, Signer
from push.adapters.management.connections import ManagementConnections
from push.adapters.management.frame_series import ManagementSeries
from push.delivery.frame_series import SeriesInTurns
from push.delivery.ports import Posted, PostOutcome, Series, SeriesConnections
from tests.contract.management.test_connections import expected_signature
from tests.patience import PATIENCE_SECONDS
from tests.servers.management import CLOSE, DROP, GARBAGE, HANG, ManagementServer

DELIVERED, GONE, RETRY, REFUSED = PostOutcome.DELIVERED, PostOutcome.GONE, PostOutcome.RETRY, PostOutcome.REFUSED
PUSH_SECONDS = 0.3
FRAMES = [b'{"n":1}', b'{"n":2}', b'{"n":"\xc3\xa4"}']
TEXTS = [frame.decode() for frame in FRAMES]


@pytest.fixture
async def server() -> AsyncIterator[ManagementServer]:
    server = ManagementServer()
    await server.start()
    yield server
    await server.stop()


def signer() -> Signer:
    return Signer(Credentials("AKID", "secret", "token"), service="execute-api", region="us-east-1")


@pytest.fixture
async def lean(server: ManagementServer) -> AsyncIterator[ManagementSeries]:
    lean = ManagementSeries(server.endpoint, signer(), connections=20, push_seconds=PUSH_SECONDS)
    yield lean
    lean.close()
    await asyncio.sleep(0)


@pytest.fixture(params=["lean", "in turns"])
async def connections(
    request: pytest.FixtureRequest, server: ManagementServer, lean: ManagementSeries
) -> AsyncIterator[SeriesConnections]:
    if request.param == "lean":
        yield lean
        return
    client = ManagementConnections(server.endpoint, signer(), push_seconds=PUSH_SECONDS)
    yield SeriesInTurns(client)
    client.close()
    await asyncio.sleep(0)


async def post(connections: SeriesConnections, *connection_ids: str, frames: list[bytes] = FRAMES) -> list[Posted]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await connections.post_series([Series(each, frames) for each in connection_ids])


async def test_each_connection_gets_all_frames_in_order(
    connections: SeriesConnections, server: ManagementServer
) -> None:
    names = [f"c{number}=" for number in range(70)]
    assert await post(connections, *names) == [Posted(3)] * 70
    assert all(server.frames[name] == TEXTS for name in names)


async def test_nothing_to_push_is_delivered(connections: SeriesConnections, server: ManagementServer) -> None:
    assert await post(connections) == []
    assert await post(connections, "a", frames=[]) == [Posted(0)]
    assert server.posts == []


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [(410, GONE), (429, RETRY), (500, RETRY), (503, RETRY), (413, REFUSED), (DROP, RETRY), (HANG, RETRY)],
)
async def test_a_series_ends_at_the_first_frame_that_does_not_arrive(
    connections: SeriesConnections, server: ManagementServer, behaviour: int | str, outcome: PostOutcome
) -> None:
    # A connection that breaks off is tried once more.
    server.behaviours["bad"] = [200, behaviour, behaviour, behaviour] if behaviour in (DROP, HANG) else [200, behaviour]
    posted = await post(connections, "good", "bad", "better")
    assert posted == [Posted(3), Posted(1, outcome), Posted(3)]
    assert server.frames["bad"] == TEXTS[:1]


@pytest.mark.parametrize("behaviour", [DROP, GARBAGE])
async def test_a_connection_that_broke_off_is_replaced(
    connections: SeriesConnections, server: ManagementServer, behaviour: str
) -> None:
    server.behaviours["a"] = [200, behaviour]
    assert await post(connections, "a") == [Posted(3)]
    assert server.frames["a"] == TEXTS


async def test_a_connection_that_closes_after_an_answer_is_replaced(
    connections: SeriesConnections, server: ManagementServer
) -> None:
    server.behaviours["a"] = [CLOSE, CLOSE, CLOSE]
    assert await post(connections, "a", "b") == [Posted(3), Posted(3)]
    assert server.frames["a"] == TEXTS


async def test_kept_connections_that_died_are_not_noticed(
    connections: SeriesConnections, server: ManagementServer
) -> None:
    await post(connections, *"abcdefgh")
    server.drops_kept_connections = True
    server.drop_all()
    posted = await post(connections, *"abcdefgh", frames=FRAMES[:1])
    assert posted == [Posted(1)] * 8


async def test_nobody_listening_is_to_be_tried_again(server: ManagementServer) -> None:
    client = ManagementSeries(server.endpoint, signer(), push_seconds=PUSH_SECONDS)
    await server.stop()
    assert await post(client, "a", "b") == [Posted(0, RETRY)] * 2


async def test_every_push_is_signed_as_botocore_signs_it(lean: ManagementSeries, server: ManagementServer) -> None:
    await post(lean, "BFaT_fALIAM=", "a/b c")
    assert len(server.posts) == 6
    for received in server.posts:
        assert received.headers["authorization"].endswith(f"Signature={expected_signature(received)}")


async def test_those_that_hang_hold_up_no_others(lean: ManagementSeries, server: ManagementServer) -> None:
    names = [f"c{number}" for number in range(60)]
    dead = names[:19]
    server.always.update(dict.fromkeys(dead, HANG))
    pushing = asyncio.ensure_future(post(lean, *names))
    async with asyncio.timeout(PUSH_SECONDS * 0.9):
        while any(server.frames[name] != TEXTS for name in names[19:]):  # noqa: ASYNC110 - the server has no event
            await asyncio.sleep(0.01)
    assert await pushing == [Posted(0, RETRY)] * 19 + [Posted(3)] * 41


async def test_the_last_of_many_are_not_waited_for_as_long(server: ManagementServer) -> None:
    client = ManagementSeries(server.endpoint, signer(), push_seconds=30)
    server.always["c7"] = HANG
    posted = await post(client, *(f"c{number}" for number in range(40)))
    assert [each.outcome for each in posted].count(RETRY) == 1
    client.close()


async def test_connections_are_kept_for_the_next_call(lean: ManagementSeries, server: ManagementServer) -> None:
    for _ in range(3):
        await post(lean, *"abcde")
    assert server.connections <= 5


async def test_where_all_are_throttled_all_pause_and_few_are_left_for_later(
    lean: ManagementSeries, server: ManagementServer
) -> None:
    names = [f"c{number}" for number in range(60)]
    for name in names[:20]:
        server.behaviours[name] = [429]
    posted = await post(lean, *names, frames=FRAMES[:1])
    assert [each.outcome for each in posted].count(RETRY) < 15
    assert [each.outcome for each in posted].count(DELIVERED) > 45


async def test_where_the_throttling_does_not_end_all_are_left_for_later(
    lean: ManagementSeries, server: ManagementServer
) -> None:
    names = [f"c{number}" for number in range(60)]
    server.always.update(dict.fromkeys(names, 429))
    assert await post(lean, *names) == [Posted(0, RETRY)] * 60
