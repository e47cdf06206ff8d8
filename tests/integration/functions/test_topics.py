"""Topics over HTTP, through the handler: published to, asked about, and fed by webhooks of others."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

import request.topics_app
from push.adapters.dynamodb.subscriptions import DynamoDbSubscriptions
from push.adapters.redis.connection import SyncRedis
from push.adapters.redis.histories import SyncRedisHistory
from push.computes import Tenant
from push.settings import CacheSettings
from push.topics.fan_out_jobs import FanOutJob, Nudge, parse_fan_out_job
from push.topics.subscriptions import Subscription
from push.topics.topics import Topic
from request.topics_app import handler
from tests.servers.aws import Aws

SECRET = "s" * 64
HOOK_SECRET = "a secret of sixteen bytes"
SOURCES = {"github": {"scheme": "github", "tenant": "acme", "topic": "github:{repository.full_name}"}}
PUSHED = {"repository": {"full_name": "ada/engine"}, "ref": "main"}
UNTIL = 4_000_000_000

ReadEvent = Callable[[str], dict[str, Any]]


@pytest.fixture(autouse=True)
def deployed(environment: pytest.MonkeyPatch, aws: Aws, redis_url: str) -> pytest.MonkeyPatch:
    secrets = aws.client("secretsmanager")
    token_secret = secrets.create_secret(Name=f"{aws.bucket}-tokens", SecretString=SECRET)
    hook_secret = secrets.create_secret(Name=f"{aws.bucket}-hooks", SecretString=json.dumps({"github": [HOOK_SECRET]}))
    variables = {
        "TOKEN_SECRET_ARN": token_secret["ARN"],
        "HOOK_SECRET_ARN": hook_secret["ARN"],
        "HOOK_SOURCES": json.dumps(SOURCES),
        "CACHE_URL": redis_url,
        "CACHE_TIMEOUT_MS": "2000",
    }
    for name, value in variables.items():
        environment.setenv(name, value)
    SyncRedis(CacheSettings(cache_url=redis_url)).run("FLUSHALL")
    return environment


@pytest.fixture
def histories(redis_url: str) -> SyncRedisHistory:
    return SyncRedisHistory(SyncRedis(CacheSettings(cache_url=redis_url, cache_timeout_ms=2000)))


class Api:
    """Calls the handler as API Gateway does."""

    def __init__(self, read_event: ReadEvent) -> None:
        self._read_event = read_event

    def call(
        self, method: str, topic: str, body: object = None, *, principal: str | None = "ada", **headers: str
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        event = self._event(f"{method} /topics/{{topic}}", {"topic": topic}, body, headers)
        if principal is not None:
            claims = {"sub": principal, "tenant": "acme", "exp": time.time() + 60}
            event["headers"]["authorization"] = f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"
        return self._answer(event)

    def hook(
        self, source: str, body: bytes, *, secret: str = HOOK_SECRET, encoded: bool = False
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        signature = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
        headers = {"x-hub-signature-256": f"sha256={signature}", "x-github-delivery": "d-1"}
        event = self._event("POST /hooks/{source}", {"source": source}, None, headers)
        event["body"] = base64.b64encode(body).decode() if encoded else body.decode()
        event["isBase64Encoded"] = encoded
        return self._answer(event)

    def _event(self, route: str, path: dict[str, str], body: object, headers: dict[str, str]) -> dict[str, Any]:
        event = self._read_event("http_requests")
        event |= {"routeKey": route, "pathParameters": path, "body": None if body is None else json.dumps(body)}
        event["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
        return event

    def _answer(self, event: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
        answer = handler(event, None)
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


@pytest.fixture
def api(read_event: ReadEvent) -> Api:
    return Api(read_event)


def published(histories: SyncRedisHistory, topic: str, tenant: str = "acme") -> list[object]:
    latest = histories.read_latest(Topic(Tenant(tenant), topic), 100)
    return [json.loads(message.data) for message in latest.messages]


def told(aws: Aws, queue_url: str) -> list[FanOutJob]:
    received = aws.client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    return [parse_fan_out_job(message["Body"]) for message in received.get("Messages", [])]


# ---------------------------------------------------------------- publishing


def test_a_message_is_published(aws: Aws, api: Api, histories: SyncRedisHistory, fan_out_queue: str) -> None:
    status, document, headers = api.call("POST", "demo:news", {"data": {"n": 1}})
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert document == {"position": str(histories.head(Topic(Tenant("acme"), "demo:news")))}
    assert published(histories, "demo:news") == [{"n": 1}]
    assert told(aws, fan_out_queue) == [Nudge("acme/demo:news")]


def test_several_are_published_in_order(api: Api, histories: SyncRedisHistory) -> None:
    status, document, _ = api.call("POST", "demo:news", {"messages": [{"data": n} for n in range(3)]})
    assert status == 200
    assert [position.rpartition(":")[2] for position in document["positions"]] == ["1", "2", "3"]
    assert published(histories, "demo:news") == [0, 1, 2]


@pytest.mark.parametrize("body", [{"data": 1}, {"messages": [{"data": 1}, {"data": 2}]}], ids=["one", "several"])
def test_with_a_key_the_same_is_published_once(api: Api, histories: SyncRedisHistory, body: object) -> None:
    first, again = (api.call("POST", "demo:news", body, idempotency_key="k-1") for _ in range(2))
    assert first == again
    assert len(published(histories, "demo:news")) == (1 if "data" in body else 2)
    api.call("POST", "demo:news", body, idempotency_key="k-1", principal="ben")
    assert len(published(histories, "demo:news")) == (2 if "data" in body else 4)


def test_a_name_with_a_slash_is_written_with_an_escape(api: Api, histories: SyncRedisHistory) -> None:
    for topic in ("demo:a%2Fb", "demo:a/b"):
        assert api.call("POST", topic, {"data": topic})[0] == 200
    assert published(histories, "demo:a/b") == ["demo:a%2Fb", "demo:a/b"]


@pytest.mark.parametrize(
    ("topic", "body", "status", "code"),
    [
        ("prices:eur", {"data": 1}, 403, "forbidden"),
        ("demo", {"data": 1}, 400, "invalid_message"),
        ("leaderboard@1:" + "0" * 32, {"data": 1}, 403, "forbidden"),
        ("demo:news", {}, 400, "invalid_message"),
        ("demo:news", None, 400, "invalid_json"),
        ("demo:news", {"data": "x" * 130_000}, 413, "too_large"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_may_not_be_published_is_a_problem(
    aws: Aws, api: Api, fan_out_queue: str, topic: str, body: object, status: int, code: str
) -> None:
    answered, document, headers = api.call("POST", topic, body)
    assert (answered, document["code"]) == (status, code)
    assert headers["content-type"] == "application/problem+json"
    assert told(aws, fan_out_queue) == []


def test_another_media_type_is_a_problem(api: Api) -> None:
    assert api.call("POST", "demo:news", {"data": 1}, content_type="text/plain")[0] == 415


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_token_there_is_nothing(api: Api, method: str) -> None:
    status, _, headers = api.call(method, "demo:news", {"data": 1}, principal=None)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")


def test_without_redis_one_is_told_when_to_try_again(api: Api, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CACHE_URL", "redis://127.0.0.1:1/0")
    status, document, headers = api.call("POST", "demo:news", {"data": 1})
    assert (status, document["retryable"]) == (503, True)
    assert int(headers["retry-after"]) >= 1


# ---------------------------------------------------------------- asking


def subscribe(aws: Aws, topic: str, connections: dict[str, str]) -> None:
    subscriptions = DynamoDbSubscriptions(aws.client("dynamodb"), aws.tables["subscriptions"])
    named = Topic(Tenant("acme"), topic)
    subscriptions.add([Subscription(named, each, principal, UNTIL) for each, principal in connections.items()])


def test_a_topic_tells_how_far_it_is_and_how_many_listen(aws: Aws, api: Api) -> None:
    _, latest, _ = api.call("POST", "news:it", {"data": 1})
    subscribe(aws, "news:it", {"a=": "ada", "b=": "ben"})
    status, document, _ = api.call("GET", "news:it")
    assert status == 200
    assert document == {"topic": "news:it", "position": latest["position"], "subscribers": 2}


def test_where_there_is_presence_it_tells_who(aws: Aws, api: Api) -> None:
    subscribe(aws, "demo:lobby", {"a1=": "ada", "b=": "ben", "a2=": "ada"})
    _, document, _ = api.call("GET", "demo:lobby")
    assert document["subscribers"] == 3
    assert document["presence"] == [{"principal": "ada", "connections": 2}, {"principal": "ben", "connections": 1}]


def test_a_topic_that_nobody_has_used_has_a_position(api: Api) -> None:
    status, document, _ = api.call("GET", "news:never")
    assert (status, document["subscribers"]) == (200, 0)
    assert document["position"].endswith(":0")


# ---------------------------------------------------------------- webhooks of others


@pytest.mark.parametrize("encoded", [False, True])
def test_a_signed_webhook_is_published_to_the_topic_that_it_names(
    aws: Aws, api: Api, histories: SyncRedisHistory, fan_out_queue: str, *, encoded: bool
) -> None:
    status, document, _ = api.hook("github", json.dumps(PUSHED).encode(), encoded=encoded)
    position = str(histories.head(Topic(Tenant("acme"), "github:ada/engine")))
    assert (status, document) == (200, {"published": True, "topic": "github:ada/engine", "position": position})
    assert published(histories, "github:ada/engine") == [PUSHED]
    assert told(aws, fan_out_queue) == [Nudge("acme/github:ada/engine")]


def test_a_webhook_that_comes_again_is_not_published_again(
    aws: Aws, api: Api, histories: SyncRedisHistory, fan_out_queue: str
) -> None:
    body = json.dumps(PUSHED).encode()
    api.hook("github", body)
    assert api.hook("github", body)[:2] == (200, {"published": False})
    assert published(histories, "github:ada/engine") == [PUSHED]
    assert len(told(aws, fan_out_queue)) == 1


@pytest.mark.parametrize(
    ("source", "body", "secret", "status"),
    [
        ("gitlab", PUSHED, HOOK_SECRET, 404),
        ("github", PUSHED, "another secret of theirs", 401),
        ("github", {"repository": {}}, HOOK_SECRET, 400),
        ("github", [], HOOK_SECRET, 400),
        ("github", {**PUSHED, "text": "x" * 130_000}, HOOK_SECRET, 413),
    ],
    ids=["source", "signature", "topic", "no object", "too large"],
)
def test_another_webhook_is_a_problem(
    aws: Aws, api: Api, fan_out_queue: str, source: str, body: object, secret: str, status: int
) -> None:
    answered, document, _ = api.hook(source, json.dumps(body).encode(), secret=secret)
    assert answered == status
    assert "secret" not in json.dumps(document)
    assert told(aws, fan_out_queue) == []


def test_a_webhook_that_could_not_be_published_may_come_again(
    api: Api, environment: pytest.MonkeyPatch, fan_out_queue: str, histories: SyncRedisHistory
) -> None:
    body = json.dumps(PUSHED).encode()
    environment.setenv("FAN_OUT_QUEUE_URL", f"{fan_out_queue}-absent")
    assert api.hook("github", body)[0] == 503
    environment.setenv("FAN_OUT_QUEUE_URL", fan_out_queue)
    request.topics_app.build.cache_clear()
    assert api.hook("github", body)[1]["published"] is True
    assert published(histories, "github:ada/engine") == [PUSHED]
