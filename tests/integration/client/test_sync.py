"""The client without asyncio."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import pushaside
from pushaside import Progress
from pushaside.sync.loop_thread import LoopThread
from tests.integration.client.scripted_http import ScriptedHttp, json_answer, problem
from tests.integration.client.scripted_server import Peer, ScriptedServer, answering
from tests.integration.client.test_connections import free_port
from tests.integration.client.topic_server import Topics

ROOT = Path(__file__).parents[3]


@contextmanager
def serving(script: Callable[[Peer], Awaitable[None]], **options: object) -> Iterator[ScriptedServer]:
    """Run a scripted service in a thread of its own."""
    thread = LoopThread()

    async def make() -> ScriptedServer:
        return await ScriptedServer(script, **options).__aenter__()

    server = thread.run(make)
    try:
        yield server
    finally:
        thread.run(server.__aexit__)
        thread.stop()


async def silent(peer: Peer) -> None:
    """Take everything and answer nothing."""
    while await peer.messages.get() is not None:
        pass


async def with_topics(peer: Peer) -> None:
    await Topics().answer(peer)


@pytest.fixture(autouse=True)
def _no_threads_are_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert {each for each in threading.enumerate() if each.name.startswith("pushaside")} <= before


def test_a_request_waits_for_its_result() -> None:
    with serving(answering) as server, pushaside.sync.connect(server.url) as client:
        assert client.request("documents", {"n": 1}, deadline=5.0).data == {"n": 1}
        assert 0 < client.ping() < 5.0


def test_results_are_gathered_in_order() -> None:
    with serving(answering) as server, pushaside.sync.connect(server.url) as client:
        results = client.gather([("documents", {"n": number}) for number in range(300)], at_once=50)

    assert [result.data["n"] for result in results] == list(range(300))


def test_the_first_error_of_many_gives_up_the_others() -> None:
    async def refusing(peer: Peer) -> None:
        while (message := await peer.messages.get()) is not None:
            if message["params"]["n"] == 7:
                await peer.error(message, "not_found")

    with serving(refusing) as server, pushaside.sync.connect(server.url) as client:
        with pytest.raises(pushaside.NotFoundError):
            client.gather([("documents", {"n": number}) for number in range(10)])

        assert client._client._shell._futures == {}


def test_progress_is_streamed() -> None:
    with serving(answering) as server, pushaside.sync.connect(server.url) as client:
        first, *_, last = client.stream("documents", {"n": 1})

    assert first == Progress("sent", attempt=1)
    assert last.data == {"n": 1}


def test_leaving_a_stream_gives_the_request_up() -> None:
    with serving(silent) as server, pushaside.sync.connect(server.url) as client:
        stream = client.stream("documents")
        next(stream)
        stream.close()

        assert client._client._shell._futures == {}


def test_a_subscription_is_an_iterator() -> None:
    with serving(with_topics) as server, pushaside.sync.connect(server.url) as client:
        with client.subscribe("demo:news") as news:
            assert news.holds
            positions = [client.publish("demo:news", number) for number in range(3)]
            updates = [next(news) for _ in range(3)]
            assert [update.data for update in updates] == [0, 1, 2]
            assert [update.position for update in updates] == positions
            assert (news.topic, news.position) == ("demo:news", positions[-1])
        assert list(news) == []


def test_who_comes_and_goes_can_be_waited_for_for_a_time() -> None:
    async def with_presence(peer: Peer) -> None:
        message = await peer.receive()
        assert message is not None
        held = {"id": message["id"], "topic": "demo:news", "position": "e1:0", "recovered": True}
        await peer.say(type="subscribed", **held)
        await peer.say(type="presence", topic="demo:news", count=2, joined=["ada"], left=[])

    with (
        serving(with_presence) as server,
        pushaside.sync.connect(server.url) as client,
        client.subscribe("demo:news") as news,
    ):
        assert news.take_presence(5.0) == pushaside.Presence("demo:news", 2, ("ada",), ())
        with pytest.raises(TimeoutError):
            news.take_presence(0.05)


def test_an_update_can_be_waited_for_for_a_time() -> None:
    with (
        serving(with_topics) as server,
        pushaside.sync.connect(server.url) as client,
        client.subscribe("demo:news") as news,
    ):
        with pytest.raises(TimeoutError):
            news.take(timeout=0.05)
        client.publish("demo:news", "late")
        assert news.take(timeout=5.0).data == "late"


def test_a_deadline_is_kept() -> None:
    with (
        serving(silent) as server,
        pushaside.sync.connect(server.url) as client,
        pytest.raises(pushaside.RequestTimeoutError),
    ):
        client.request("documents", deadline=0.05)


def test_any_number_of_threads_may_use_a_client() -> None:
    with serving(answering) as server, pushaside.sync.connect(server.url) as client, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda number: client.request("documents", {"n": number}).data["n"], range(100)))

    assert results == list(range(100))


def test_closing_fails_what_other_threads_wait_for() -> None:
    with serving(silent) as server, ThreadPoolExecutor(1) as pool:
        client = pushaside.sync.connect(server.url)
        asking = pool.submit(client.request, "documents")
        while not client._client._shell._futures:
            time.sleep(0.001)
        client.close()

        with pytest.raises(pushaside.ConnectionClosedError):
            asking.result(5.0)
        with pytest.raises(pushaside.ConnectionClosedError):
            client.request("documents")
        client.close()


def test_a_connection_that_cannot_be_opened_leaves_no_thread() -> None:
    with pytest.raises(pushaside.CannotConnectError):
        pushaside.sync.connect(f"ws://127.0.0.1:{free_port()}/v1")


def test_a_token_may_come_from_a_function_that_blocks() -> None:
    with serving(answering) as server, pushaside.sync.connect(server.url, token=lambda: "t1"):
        assert server.handshakes[0].headers["Authorization"] == "Bearer t1"


def test_waiting_in_the_clients_own_thread_is_refused() -> None:
    told: list[str] = []

    class Asking(pushaside.Metrics):
        def request_done(self, compute: str, outcome: str, cache: str | None, seconds: float) -> None:
            try:
                client.ping()
            except RuntimeError as exc:
                told.append(str(exc))

    with serving(answering) as server, pushaside.sync.connect(server.url, metrics=Asking()) as client:
        client.request("documents")

    assert told == ["The client's own thread cannot make calls that wait."]


PROGRAM = """
import sys, threading, pushaside
with pushaside.sync.connect(sys.argv[1]) as client:
    print("asking", flush=True)
    try:
        client.request("documents", deadline=600)
    except KeyboardInterrupt:
        print(len(client._client._shell._futures), "left")
print([each.name for each in threading.enumerate()])
"""


def test_ctrl_c_frees_everything() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "clients" / "python")}
    with serving(silent) as server:
        command = [sys.executable, "-c", PROGRAM, server.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "asking\n"
            asyncio.run(asyncio.sleep(0.1))
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=10.0)

    assert said == "0 left\n['MainThread']\n"
    assert process.returncode == 0


# Without a socket


def test_the_http_client_has_every_method_of_the_one_with_asyncio() -> None:
    public = [name for name in vars(pushaside.HttpClient) if not name.startswith("_")]
    for name in public:
        blocking = inspect.signature(getattr(pushaside.sync.HttpClient, name))
        assert blocking == inspect.signature(getattr(pushaside.HttpClient, name)), name


def test_http_calls_block_until_they_are_answered() -> None:
    accepted = json_answer({"id": "r1", "status": "pending"}, 202)
    with ScriptedHttp(accepted, json_answer({"status": "accepted"}, 202), json_answer({"computes": []})) as service:
        client = pushaside.sync.HttpClient(service.url, token=lambda: "t1")
        assert client.submit("documents", id="r1").id == "r1"
        client.changed(["rates"], tenant="acme")
        assert client.computes() == ()
    assert {each.headers["authorization"] for each in service.asked} == {"Bearer t1"}
    assert service.asked[1].document == {"tags": ["rates"], "scope": "tenant", "tenant": "acme"}


async def test_an_http_call_blocks_where_a_loop_runs_too() -> None:
    with ScriptedHttp(json_answer({"secrets": ["whsec_1"]})) as service:
        assert pushaside.sync.HttpClient(service.url).webhook_secrets() == ("whsec_1",)


def test_an_http_calls_error_is_raised() -> None:
    with ScriptedHttp(problem(404, "not_found")) as service, pytest.raises(pushaside.NotFoundError):
        pushaside.sync.HttpClient(service.url).look("r1")
