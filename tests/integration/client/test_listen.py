"""`pushaside listen`, and requests by HTTP on the command line."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from pushaside.cli.exits import Exit
from pushaside.webhooks import sign_webhook
from tests.integration.client.scripted_http import Answer, ScriptedHttp, etag_of, gzipped, json_answer, problem
from tests.integration.client.test_command_line import TIMEOUT_SECONDS, Outcome, run, start

pytestmark = pytest.mark.slow

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
DATA = b'[{"name":"Zo\xc3\xab"},1.0]'


def done(data: bytes | None = DATA, url: str = "", etag: str | None = None) -> bytes:
    place = b'"data":' + data if data is not None else b'"url":' + json.dumps(url).encode()
    etag = etag_of(data or DATA) if etag is None else etag
    head = f'{{"type":"result","id":"r1","key":"k","etag":"{etag}","cache":"miss","age_ms":0,'.encode()
    return b'{"type":"request.done","timestamp":"2026-01-01T00:00:00Z","data":' + head + place + b"}}"


@dataclass
class Listening:
    url: str
    process: asyncio.subprocess.Process

    async def post(self, body: bytes, name: str = "msg_1", secret: str = SECRET, **headers: str) -> int:
        now = int(time.time())
        signature = sign_webhook(secret, name, now, body)
        signed = {"webhook-id": name, "webhook-timestamp": str(now), "webhook-signature": signature}
        return await asyncio.to_thread(self._post, body, {**signed, **headers})

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url, body, headers), timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    async def told(self) -> dict:
        assert self.process.stdout is not None
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return json.loads(await self.process.stdout.readline())


@asynccontextmanager
async def listening(*arguments: str, secret: str = SECRET, **variables: str) -> AsyncIterator[Listening]:
    process = await start("listen", "--port", "0", "--json", *arguments, PUSHASIDE_WEBHOOK_SECRET=secret, **variables)
    try:
        listener = Listening("", process)
        ready = await listener.told()
        assert ready["type"] == "ready"
        listener.url = ready["url"]
        yield listener
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            _, err = await process.communicate()
        assert err == b""


async def test_a_verified_webhook_is_answered_204_and_told_with_its_hash() -> None:
    async with listening() as listener:
        assert await listener.post(done()) == 204
        told = await listener.told()

    assert told == {
        "type": "webhook",
        "webhook_id": "msg_1",
        "verified": True,
        "why": None,
        "answered": 204,
        "duplicate": False,
        "event": "request.done",
        "request": "r1",
        "etag": etag_of(DATA),
        "bytes": len(DATA),
        "sha256": hashlib.sha256(DATA).hexdigest(),
        "linked": False,
        "error": None,
        "trouble": None,
    }


async def test_a_forged_webhook_is_answered_401_and_told() -> None:
    async with listening() as listener:
        assert await listener.post(done(), secret=OTHER) == 401
        told = await listener.told()

    assert (told["verified"], told["answered"], told["bytes"]) == (False, 401, None)
    assert "none of the known secrets" in told["why"]


async def test_an_old_webhook_is_answered_401() -> None:
    async with listening() as listener:
        then = int(time.time()) - 600
        headers = {"webhook-timestamp": str(then), "webhook-signature": sign_webhook(SECRET, "msg_1", then, done())}
        assert await listener.post(done(), **headers) == 401


async def test_a_webhook_that_comes_twice_is_told_and_answered_204() -> None:
    async with listening() as listener:
        assert [await listener.post(done()), await listener.post(done())] == [204, 204]
        assert [(await listener.told())["duplicate"] for _ in range(2)] == [False, True]


async def test_the_first_may_be_failed_on_purpose_and_are_no_duplicates_when_they_come_again() -> None:
    async with listening("--fail-first", "2") as listener:
        assert [await listener.post(done()) for _ in range(3)] == [503, 503, 204]
        told = [await listener.told() for _ in range(3)]

    assert [(each["answered"], each["duplicate"]) for each in told] == [(503, False), (503, False), (204, False)]


async def test_a_failed_request_is_told_with_its_error() -> None:
    error = {"type": "error", "id": "r1", "error": {"code": "timeout", "message": "Too late.", "retryable": True}}
    async with listening() as listener:
        assert await listener.post(json.dumps({"type": "request.failed", "data": error}).encode()) == 204
        told = await listener.told()

    assert (told["event"], told["request"], told["error"]["code"]) == ("request.failed", "r1", "timeout")


async def test_a_large_result_is_fetched_by_its_link() -> None:
    with ScriptedHttp(gzipped(DATA)) as bucket:
        async with listening() as listener:
            assert await listener.post(done(None, url=f"{bucket.url}x")) == 204
            told = await listener.told()

    assert (told["linked"], told["bytes"], told["sha256"]) == (True, len(DATA), hashlib.sha256(DATA).hexdigest())
    assert told["trouble"] is None


async def test_what_is_wrong_with_a_verified_webhook_is_told() -> None:
    with ScriptedHttp(Answer(403)) as bucket:
        async with listening() as listener:
            for number, body in enumerate([done(None, url=bucket.url), done(etag="0" * 24), b"not json"]):
                assert await listener.post(body, f"msg_{number}") == 204
            troubles = [(await listener.told())["trouble"] for _ in range(3)]

    assert sorted(each.split(" ", 3)[:3] for each in troubles) == [
        ["The", "data", "that"],
        ["The", "link", "to"],
        ["The", "webhook", "is"],
    ]


async def test_secrets_come_from_the_service_and_are_renewed_when_they_change() -> None:
    first, second = (json_answer({"secrets": [secret], "public_keys": []}) for secret in (SECRET, OTHER))
    with ScriptedHttp(first, second) as service:
        async with listening("--url", service.url, "--token", "t1", secret="") as listener:
            assert await listener.post(done(), "msg_1", SECRET) == 204
            assert await listener.post(done(), "msg_2", OTHER) == 204
            assert await listener.post(done(), "msg_3", OTHER) == 204

    assert [each.path for each in service.asked] == ["/webhooks/keys"] * 2
    assert service.asked[0].headers["authorization"] == "Bearer t1"


async def test_forgeries_do_not_have_the_service_asked_over_and_over() -> None:
    with ScriptedHttp(json_answer({"secrets": [SECRET], "public_keys": []})) as service:
        async with listening("--url", service.url, secret="") as listener:
            codes = await asyncio.gather(*(listener.post(done(), f"msg_{n}", OTHER) for n in range(10)))

    assert codes == [401] * 10
    assert len(service.asked) <= 4


async def test_without_secrets_and_without_a_service_it_does_not_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    outcome = await run("listen", "--port", "0", "--url", url)

    assert (outcome.code, outcome.out) == (Exit.CONNECTION, "")
    assert outcome.err.startswith("pushaside: Nothing answers at ")


async def test_it_ends_after_as_many_as_were_wanted() -> None:
    async with listening("--count", "2") as listener:
        assert await listener.post(done(), "msg_1", OTHER) == 401
        assert await listener.post(done(), "msg_1") == 204
        assert await listener.post(done(), "msg_1") == 204
        assert listener.process.returncode is None
        assert await listener.post(done(), "msg_2") == 204
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert await listener.process.wait() == Exit.OK


async def test_a_slow_link_does_not_keep_the_sender_waiting() -> None:
    with ScriptedHttp(Answer(503)) as bucket:
        async with listening() as listener:
            async with asyncio.timeout(5.0):
                assert await listener.post(done(None, url=bucket.url)) == 204
                assert await listener.post(done(), "msg_2") == 204


async def test_people_are_told_in_a_line() -> None:
    process = await start("listen", "--text", "--port", "0", "--secret", SECRET, "--count", "1")
    assert process.stdout is not None
    async with asyncio.timeout(TIMEOUT_SECONDS):
        ready = (await process.stdout.readline()).decode()
        listener = Listening(ready.split()[1], process)
        assert ready.startswith("ready: http://127.0.0.1:")
        await listener.post(done())
        line = (await process.stdout.readline()).decode()
        assert await process.wait() == Exit.OK
        await process.communicate()

    sha256 = hashlib.sha256(DATA).hexdigest()
    assert line == f"verified · 204 · request.done · request r1 · {len(DATA)} bytes · sha256 {sha256} · msg_1\n"


async def exchange(url: str, *parts: bytes) -> bytes:
    """Send bytes as they are, and read what comes back until the end."""
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for part in parts:
        writer.write(part)
        await writer.drain()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1000001\r\n" + b" " * 0x1000001, b"413"),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", b"431"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", b"401"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nA: b\r\n\r\n", b"401"),
    ],
)
async def test_what_is_no_webhook_is_refused_and_harms_nothing(sent: bytes, status: bytes) -> None:
    async with listening() as listener:
        answer = await exchange(listener.url, sent)
        assert answer.split(b" ")[1] == status
        assert await listener.post(done()) == 204


async def test_a_sender_that_asks_whether_to_go_on_is_told_to() -> None:
    async with listening() as listener:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        answer = await exchange(listener.url, head, b"{}")

    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "70000"], "must be a port"),
        (["--secret", "whsec_!"], "A secret is `whsec_` and base64"),
        (["--count", "0"], "must be a whole number"),
        (["--url", "ws://127.0.0.1/"], "is not an HTTP URL"),
    ],
)
async def test_wrong_usage_is_one_sentence(arguments: list[str], sentence: str) -> None:
    outcome = await run("listen", *arguments)

    assert (outcome.code, outcome.out) == (Exit.USAGE, "")
    assert sentence in outcome.err
    assert len(outcome.err.splitlines()) == 1


async def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = await run("listen", "--port", port, "--secret", SECRET)

    assert outcome.code == Exit.USAGE
    assert outcome.err == f"pushaside: Port {port} cannot be used: address already in use.\n"


# Requests by HTTP

ACCEPTED = json_answer({"id": "r1", "status": "pending"}, 202)
RESULT = {"type": "result", "id": "r1", "key": "documents@1:ab12", "etag": "5f2a", "cache": "miss", "age_ms": 0}
POLLED = json_answer({"id": "r1", "status": "done", "result": {**RESULT, "data": [1]}})


async def by_http(service: ScriptedHttp, *arguments: str) -> Outcome:
    return await run("request", "documents", *arguments, PUSHASIDE_URL=service.url.replace("http", "ws") + "v1")


async def test_polling_prints_the_result_as_the_socket_does() -> None:
    with ScriptedHttp(ACCEPTED, POLLED) as service:
        outcome = await by_http(service, "--poll", "--json", "--params", '{"ids":["TX"]}', "--deadline", "7")
    (document,) = outcome.documents

    assert (outcome.code, outcome.err) == (Exit.OK, "")
    assert list(document) == ["type", "id", "key", "etag", "cache", "age_ms", "data", "elapsed_ms"]
    assert document["data"] == [1]
    assert [each.method for each in service.asked] == ["POST", "GET"]
    assert service.asked[0].document["params"] == {"ids": ["TX"]}
    assert service.asked[0].document["deadline_ms"] == 7000


async def test_polling_says_where_the_result_came_from() -> None:
    with ScriptedHttp(ACCEPTED, POLLED) as service:
        outcome = await by_http(service, "--poll", "--http-url", service.url, "--token", "t1")

    assert json.loads(outcome.out) == [1]
    assert outcome.err.startswith("miss · ")
    assert all(each.headers["authorization"] == "Bearer t1" for each in service.asked)


@pytest.mark.parametrize(
    ("answers", "code", "name"),
    [
        ([problem(404, "unknown_compute")], Exit.ERROR, "unknown_compute"),
        ([ACCEPTED, json_answer({"id": "r1", "status": "pending"}, Retry_After="9")], Exit.TIMEOUT, "timeout"),
        (
            [ACCEPTED, json_answer({"status": "failed", "error": {"code": "compute_failed", "message": "No."}})],
            Exit.ERROR,
            "compute_failed",
        ),
        ([Answer(405)], Exit.CONNECTION, "unreachable"),
    ],
)
async def test_polling_has_the_exit_codes_of_the_socket(answers: list[Answer], code: Exit, name: str) -> None:
    deadline = "0.7" if name == "timeout" else "15"
    with ScriptedHttp(*answers) as service:
        outcome = await by_http(service, "--poll", "--json", "--deadline", deadline)

    assert (outcome.code, outcome.documents[0]["error"]["code"]) == (code, name)


async def test_a_webhook_is_asked_for_and_not_waited_for() -> None:
    with ScriptedHttp(ACCEPTED) as service:
        human = await by_http(service, "--webhook", "http://127.0.0.1:9/", "--id", "r1")
        machine = await by_http(service, "--webhook", "http://127.0.0.1:9/", "--json")

    assert (human.code, human.out) == (Exit.OK, "r1\n")
    assert human.err == "accepted · pending · its result goes to http://127.0.0.1:9/\n"
    assert machine.documents == [{"type": "accepted", "id": "r1", "status": "pending"}]
    assert service.asked[0].document["deliver"] == {"webhook": "http://127.0.0.1:9/"}
    assert "deadline_ms" not in service.asked[0].document


async def test_polling_and_a_webhook_are_not_asked_for_at_once() -> None:
    outcome = await run("request", "documents", "--poll", "--webhook", "http://127.0.0.1:9/")

    assert outcome.code == Exit.USAGE
    assert "not allowed with argument" in outcome.err
