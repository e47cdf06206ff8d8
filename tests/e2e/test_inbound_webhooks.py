"""With `--auth jwt` and a source of webhooks: from GitHub's signature to the subscriber, and who may publish."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import jwt
import pytest

from tests.e2e.conftest import Stack, running
from tests.e2e.topic_clients import Listener
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

SECRET = "a secret that GitHub knows too"
SOURCES = {"github": {"scheme": "github", "tenant": "acme", "topic": "github:{repository.full_name}"}}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    parameter = f"HookSources={json.dumps(SOURCES)}"
    with running(tmp_path_factory.mktemp("hooks"), "--auth", "jwt", "--parameter", parameter) as started:
        secrets = json.dumps({"github": [SECRET]})
        name = started.resources()["HookSecret"]
        started.client("secretsmanager").put_secret_value(SecretId=name, SecretString=secrets)
        yield started


def make_token(stack: Stack, tenant: str, principal: str) -> str:
    name = stack.resources()["TokenSecret"]
    secret = stack.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    return jwt.encode({"sub": principal, "tenant": tenant, "exp": int(time.time()) + 600}, secret, algorithm="HS256")


def post(stack: Stack, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(stack.http + path, body, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def deliver(stack: Stack, body: bytes, *, secret: str = SECRET, source: str = "github") -> tuple[int, dict[str, Any]]:
    headers = {
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex(),
    }
    return post(stack, f"hooks/{source}", body, headers)


class Callers:
    """Opens sockets of principals."""

    def __init__(self, stack: Stack, opened: AsyncExitStack) -> None:
        self._stack = stack
        self._opened = opened

    async def connect(self, tenant: str, principal: str) -> Listener:
        headers = {"Authorization": f"Bearer {make_token(self._stack, tenant, principal)}"}
        return await self._opened.enter_async_context(Listener.at(self._stack.websocket, additional_headers=headers))


@pytest.fixture
async def callers(guarded: Stack) -> AsyncIterator[Callers]:
    async with AsyncExitStack() as opened:
        yield Callers(guarded, opened)


def make_push() -> tuple[str, bytes]:
    """Return a topic, and a webhook that goes to it."""
    name = f"acme/{uuid.uuid4().hex}"
    return f"github:{name}", json.dumps({"ref": "refs/heads/main", "repository": {"full_name": name}}).encode()


async def test_a_webhook_comes_to_the_subscribers_of_its_topic(guarded: Stack, callers: Callers) -> None:
    topic, body = make_push()
    subscriber, stranger = await callers.connect("acme", "ann"), await callers.connect("other", "eve")
    for each in (subscriber, stranger):
        await each.subscribe(topic=topic)

    status, answer = deliver(guarded, body)

    update = await subscriber.next(topic)
    assert (status, answer["published"], answer["topic"]) == (200, True, topic)
    assert (update["position"], update["data"]) == (answer["position"], json.loads(body))
    assert await stranger.hears_nothing(topic)


async def test_a_webhook_that_comes_again_is_not_published_again(guarded: Stack, callers: Callers) -> None:
    topic, body = make_push()
    subscriber = await callers.connect("acme", "ann")
    await subscriber.subscribe(topic=topic)
    answers = [deliver(guarded, body) for _ in range(3)]
    assert [status for status, _ in answers] == [200, 200, 200]
    assert [answer["published"] for _, answer in answers] == [True, False, False]
    await subscriber.next(topic)
    assert await subscriber.hears_nothing(topic)


async def test_a_webhook_that_somebody_else_signed_is_refused(guarded: Stack, callers: Callers) -> None:
    topic, body = make_push()
    subscriber = await callers.connect("acme", "ann")
    await subscriber.subscribe(topic=topic)
    status, problem = deliver(guarded, body, secret="a secret that nobody gave us")
    assert (status, problem["code"]) == (401, "unauthorized")
    assert await subscriber.hears_nothing(topic)
    assert deliver(guarded, body)[0] == 200


def test_there_are_no_webhooks_of_sources_that_are_not_set_up(guarded: Stack) -> None:
    status, problem = deliver(guarded, make_push()[1], source="gitlab")
    assert (status, problem["code"]) == (404, "not_found")


async def test_only_the_publisher_publishes_prices(guarded: Stack, callers: Callers) -> None:
    topic = f"prices:{uuid.uuid4().hex}"
    publisher, reader = await callers.connect("acme", "publisher"), await callers.connect("acme", "ann")
    await reader.subscribe(topic=topic)
    refused = await reader.ask("publish", topic=topic, data=1)
    assert refused["error"]["code"] == "forbidden"
    by_http = {"Authorization": f"Bearer {make_token(guarded, 'acme', 'ann')}"}
    status, problem = post(guarded, f"topics/{topic}", b'{"data":1}', by_http)
    assert (status, problem["code"]) == (403, "forbidden")

    position = await publisher.publish(topic, 2)
    update = await reader.next(topic)
    assert (update["position"], update["data"]) == (position, 2)


async def test_the_same_name_of_another_tenant_is_another_topic(callers: Callers) -> None:
    topic = f"room:{uuid.uuid4().hex}"
    ann, eve = await callers.connect("acme", "ann"), await callers.connect("other", "eve")
    for each in (ann, eve):
        await each.subscribe(topic=topic)
    await ann.publish(topic, "ours")
    assert (await ann.next(topic))["data"] == "ours"
    assert await eve.hears_nothing(topic)
