"""Requests that need no socket, on the whole stack: by webhook, by polling, through every process's death."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import signal
import threading
import time
import urllib.request
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import redis
from standardwebhooks import Webhook

import pushaside
from tests.e2e.conftest import Stack
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

LARGE = {"size_bytes": 5 * 1024 * 1024, "seed": "by any delivery"}


def call(stack: Stack, path: str, document: object = None, **headers: str) -> tuple[int, dict[str, str], Any]:
    body = None if document is None else json.dumps(document).encode()
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    request = urllib.request.Request(stack.http + path, body, {"content-type": "application/json", **names})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        return answer.status, dict(answer.headers), json.load(answer)


def submit(stack: Stack, **request: object) -> str:
    status, headers, document = call(stack, "requests", request)
    assert (status, headers["location"]) == (202, f"/requests/{document['id']}")
    return document["id"]


def wait_for(stack: Stack, request_id: str, seconds: float = 200.0) -> dict[str, Any]:
    """Poll until a request is settled."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _, _, document = call(stack, f"requests/{request_id}?wait=10")
        if document["status"] != "pending":
            return document
    raise AssertionError(f"{request_id} is pending after {seconds} s")


def data_of(message: dict[str, Any]) -> bytes:
    """Return the JSON of a message's data, whether it is there or linked to."""
    if "url" not in message:
        return json.dumps(message["data"], separators=(",", ":")).encode()
    with urllib.request.urlopen(message["url"], timeout=PATIENCE_SECONDS) as answer:
        body: bytes = answer.read()
    return gzip.decompress(body) if answer.headers.get("content-encoding") == "gzip" else body


class Receiver(ThreadingHTTPServer):
    """Takes webhooks, and keeps those whose signature holds."""

    def __init__(self, secret: str) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.webhook = Webhook(secret)
        self.received: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.arrived = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    def wait_for(self, request_id: str, seconds: float = 200.0) -> dict[str, Any]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.received[request_id], seconds), f"{request_id} never arrived"
        return self.received[request_id][0]


class _Hook(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        document = self.server.webhook.verify(body, dict(self.headers.items()))
        with self.server.arrived:
            self.server.received[document["data"]["id"]].append(document)
            self.server.arrived.notify_all()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving(stack: Stack) -> Iterator[Receiver]:
    _, _, keys = call(stack, "webhooks/keys")
    with Receiver(keys["secrets"][0]) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, daemon=True)
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


def test_five_megabytes_are_the_same_by_socket_webhook_and_poll(stack: Stack) -> None:
    async def by_socket() -> bytes:
        async with pushaside.connect(stack.websocket) as client:
            result = await client.request("synthetic", LARGE, deadline=60.0)
        return json.dumps(result.data, separators=(",", ":")).encode()

    with receiving(stack) as receiver:
        hooked = submit(stack, compute="synthetic", params=LARGE, deliver={"webhook": receiver.url})
        polled = submit(stack, compute="synthetic", params=LARGE, deliver={"poll": True})
        datas = [
            asyncio.run(by_socket()),
            data_of(receiver.wait_for(hooked)["data"]),
            data_of(wait_for(stack, polled)["result"]),
        ]
    assert {len(data) for data in datas} == {LARGE["size_bytes"]}
    assert len({hashlib.sha256(data).hexdigest() for data in datas}) == 1


@pytest.mark.timeout(300)
def test_what_was_accepted_survives_every_process_and_redis(stack: Stack) -> None:
    params = [{"seed": uuid.uuid4().hex, "work_ms": 2000} for _ in range(10)]
    with receiving(stack) as receiver:
        polled = [submit(stack, compute="synthetic", params=each, deliver={"poll": True}) for each in params[:5]]
        hooked = [
            submit(stack, compute="synthetic", params=each, deliver={"webhook": receiver.url}) for each in params[5:]
        ]
        for worker in stack.stats()["processes"]["workers"]:
            os.kill(worker["pid"], signal.SIGKILL)
        redis.Redis.from_url(stack.redis_url).flushall()
        settled = [wait_for(stack, each) for each in polled]
        delivered = [receiver.wait_for(each) for each in hooked]
    assert [each["status"] for each in settled] == ["done"] * 5
    assert [each["result"]["data"]["seed"] for each in settled] == [each["seed"] for each in params[:5]]
    assert [each["data"]["data"]["seed"] for each in delivered] == [each["seed"] for each in params[5:]]


def test_a_repeated_request_is_one_request(stack: Stack) -> None:
    key, params = uuid.uuid4().hex, {"seed": uuid.uuid4().hex}
    with receiving(stack) as receiver:
        document = {"compute": "synthetic", "params": params, "deliver": {"webhook": receiver.url}}
        answers = [call(stack, "requests", document, idempotency_key=key) for _ in range(3)]
        (request_id,) = {answer["id"] for _, _, answer in answers}
        receiver.wait_for(request_id)
        settled = wait_for(stack, request_id)
        while settled["delivery"]["state"] != "delivered":
            _, _, settled = call(stack, f"requests/{request_id}")
        assert len(receiver.received[request_id]) == 1
    assert len(settled["delivery"]["attempts"]) == 1


def test_a_webhook_that_is_refused_is_tried_again_and_the_attempts_show(stack: Stack) -> None:
    with receiving(stack) as receiver:
        verify, receiver.webhook.verify = receiver.webhook.verify, _fail
        request_id = submit(
            stack, compute="synthetic", params={"seed": uuid.uuid4().hex}, deliver={"webhook": receiver.url}
        )
        document = wait_for(stack, request_id)
        deadline = time.monotonic() + 20
        while not document["delivery"]["attempts"] and time.monotonic() < deadline:
            time.sleep(0.1)
            _, _, document = call(stack, f"requests/{request_id}")
        receiver.webhook.verify = verify
        assert document["delivery"]["state"] == "retrying"
        receiver.wait_for(request_id)
    _, _, document = call(stack, f"requests/{request_id}")
    assert len(document["delivery"]["attempts"]) >= 1


def _fail(*_: object) -> None:
    raise ConnectionResetError
