"""Results in every form, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import threading

import pytest

import pushaside
from pushaside import Client, Settings
from tests.integration.client.scripted_http import HANG_UP, Answer, Asked, ScriptedHttp, etag_of, gzipped
from tests.integration.client.scripted_server import Peer, ScriptedServer
from tests.patience import PATIENCE_SECONDS

DATA = [{"name": "Zoë", "number": number} for number in range(20_000)]
TEXT = json.dumps(DATA, separators=(",", ":"), ensure_ascii=False).encode()
QUICK = Settings(backoff_base_seconds=0.01)
MEGABYTE = 1024 * 1024


def no_wait() -> float:
    return 0.0


async def ask(client: Client, peer: Peer, **fields: object) -> asyncio.Task[pushaside.Result]:
    """Ask, and answer with these fields in place of data."""
    asking = asyncio.create_task(client.request("documents", deadline=10.0))
    request = await peer.receive()
    await peer.say(type="result", id=request["id"], key="k", cache="hit", age_ms=0, **{"etag": "", **fields})
    return asking


async def say_in_pieces(peer: Peer, request: dict, text: str, size: int) -> None:
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    for index in reversed(range(len(parts))):
        await peer.say(type="chunk", id=request["id"], index=index, count=len(parts), of="a1", data=parts[index])


async def test_an_encoded_result_is_read() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        data = base64.b64encode(gzip.compress(TEXT)).decode()

        assert (await (await ask(client, peer, data=data, encoding="gzip+base64"))).data == DATA


async def test_results_in_pieces_are_read_while_others_come() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        request = await peer.receive()
        whole = {"type": "result", "id": request["id"], "key": "k", "etag": "e", "cache": "hit", "age_ms": 0}
        await say_in_pieces(peer, request, json.dumps({**whole, "data": DATA}), 28_000)

        assert (await asking).data == DATA


async def test_a_link_is_followed_off_the_event_loop() -> None:
    hold = threading.Event()
    answer = Answer(200, gzip.compress(TEXT), {"Content-Encoding": "gzip"}, hold=hold)
    with ScriptedHttp(answer) as bucket:
        async with ScriptedServer() as server, pushaside.connect(server.url) as client:
            peer = await server.accept()
            large = await ask(client, peer, url=f"{bucket.url}x?signature=1", etag=etag_of(TEXT))
            small = await ask(client, peer, data="small")
            assert (await small).data == "small"
            hold.set()

            assert (await large).data == DATA
    assert bucket.asked[0].path == "/x?signature=1"
    assert "authorization" not in bucket.asked[0].headers


async def test_many_links_are_followed_at_once() -> None:
    with ScriptedHttp(gzipped(TEXT)) as bucket:
        async with ScriptedServer() as server, pushaside.connect(server.url) as client:
            peer = await server.accept()
            asking = [await ask(client, peer, url=f"{bucket.url}{n}", etag=etag_of(TEXT)) for n in range(30)]

            assert all(result.data == DATA for result in await asyncio.gather(*asking))


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(503),
        Answer(429),
        HANG_UP,
        Answer(200, TEXT[:1000], length=len(TEXT)),
        gzipped(b"[1]"),
        Answer(200, gzip.compress(TEXT)[:-20], {"Content-Encoding": "gzip"}),
        Answer(200, TEXT, {"Content-Encoding": "zstd"}),
    ],
    ids=["busy", "throttled", "hung up", "cut short", "other data", "cut gzip", "other encoding"],
)
async def test_a_link_that_does_not_work_at_first_is_tried_again(trouble: Answer) -> None:
    with ScriptedHttp(trouble, gzipped(TEXT)) as bucket:
        async with ScriptedServer() as server, pushaside.connect(server.url, settings=QUICK) as client:
            peer = await server.accept()

            assert (await (await ask(client, peer, url=bucket.url, etag=etag_of(TEXT)))).data == DATA
    assert len(bucket.asked) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 410])
async def test_an_expired_link_has_the_request_asked_again(status: int) -> None:
    with ScriptedHttp(Answer(status), gzipped(TEXT)) as bucket:
        async with ScriptedServer() as server, pushaside.connect(server.url, random=no_wait) as client:
            peer = await server.accept()
            asking = await ask(client, peer, url=f"{bucket.url}old")
            again = await peer.receive()
            await peer.say(type="result", id=again["id"], etag=etag_of(TEXT), url=f"{bucket.url}new")

            assert (await asking).data == DATA
    assert [each.path for each in bucket.asked] == ["/old", "/new"]


async def test_data_that_is_never_what_the_etag_names_is_unreadable() -> None:
    with ScriptedHttp(gzipped(TEXT)) as bucket:
        async with ScriptedServer() as server, pushaside.connect(server.url, settings=QUICK) as client:
            asking = await ask(client, await server.accept(), url=bucket.url, etag=etag_of(b"other"))
            with pytest.raises(pushaside.UnreadableResultError, match="is not what the etag"):
                await asking
    assert len(bucket.asked) == 3


@pytest.mark.parametrize("answer", [gzipped(b"0" * (3 * MEGABYTE)), Answer(200, b"0" * (3 * MEGABYTE))])
async def test_data_over_the_bound_is_too_large(answer: Answer) -> None:
    settings = Settings(max_result_bytes=MEGABYTE)
    with ScriptedHttp(answer) as bucket:
        async with ScriptedServer() as server, pushaside.connect(server.url, settings=settings) as client:
            asking = await ask(client, await server.accept(), url=bucket.url)
            with pytest.raises(pushaside.TooLargeError):
                await asking
    assert len(bucket.asked) == 1


async def test_a_redirect_is_followed_without_end_only_so_far() -> None:
    def lead_on(asked: Asked) -> Answer:
        return gzipped(b"[1]") if asked.path == "/there" else Answer(307, headers={"Location": asked.path[1:] or "/"})

    with ScriptedHttp(script=lead_on) as bucket:
        async with ScriptedServer() as server, pushaside.connect(server.url) as client:
            peer = await server.accept()
            assert (await (await ask(client, peer, url=f"{bucket.url}/there"))).data == [1]
            asking = await ask(client, peer, url=bucket.url)
            with pytest.raises(pushaside.CannotConnectError, match="redirects too often"):
                await asking


async def test_a_link_that_never_answers_is_given_up_in_time() -> None:
    settings = Settings(fetch_timeout_seconds=0.2, fetch_attempts=1)
    hold = threading.Event()
    with ScriptedHttp(Answer(200, b"[1]", hold=hold)) as bucket:
        async with ScriptedServer() as server, pushaside.connect(server.url, settings=settings) as client:
            asking = await ask(client, await server.accept(), url=bucket.url)
            with pytest.raises(pushaside.CannotConnectError, match="did not answer in time"):
                await asking
        hold.set()


async def test_cancelling_and_closing_do_not_wait_for_a_link() -> None:
    hold = threading.Event()
    with ScriptedHttp(Answer(200, b"[1]", hold=hold)) as bucket:
        async with asyncio.timeout(PATIENCE_SECONDS), ScriptedServer() as server:
            async with pushaside.connect(server.url) as client:
                peer = await server.accept()
                cancelled = await ask(client, peer, url=bucket.url)
                closed = await ask(client, peer, url=bucket.url)
                assert (await (await ask(client, peer, data="both links have come"))).data
                cancelled.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await cancelled
                assert len(client._shell._fetching) == 1
            with pytest.raises(pushaside.ConnectionClosedError):
                await closed
            assert client._shell._fetching == {}
        hold.set()


@pytest.mark.parametrize(
    "fields",
    [
        {"data": "not gzip", "encoding": "gzip+base64"},
        {"data": "eA==", "encoding": "gzip+base64"},
        {"data": 7, "encoding": "gzip+base64"},
        {"data": "x", "encoding": "unheard-of"},
        {"url": "file:///etc/passwd"},
        {"url": ["http://127.0.0.1"]},
        {},
    ],
)
async def test_a_result_that_cannot_be_read_is_a_typed_error_and_harms_no_other(fields: dict) -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        asking = await ask(client, peer, **fields)
        with pytest.raises(pushaside.UnreadableResultError):
            await asking

        assert (await (await ask(client, peer, data="next"))).data == "next"
        assert len(server.handshakes) == 1


@pytest.mark.parametrize(
    "url", ["http://", "http://[", "http://127.0.0.1:99999/", "http://exa mple/", "https://\u00e9/"]
)
async def test_a_link_that_leads_nowhere_is_an_error(url: str) -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url, settings=QUICK) as client:
        asking = await ask(client, await server.accept(), url=url)
        with pytest.raises(pushaside.CannotConnectError):
            await asking
