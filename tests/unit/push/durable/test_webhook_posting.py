"""Webhooks are signed and posted, and URLs that fail for long or are gone are disabled."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

import pytest
from standardwebhooks import Webhook

from push.computes import Tenant
from push.durable.ports import AttemptOutcome, WebhookAnswer
from push.durable.requests import Deliver
from push.durable.sns import MAX_MESSAGE_BYTES, TopicPublisher
from push.durable.webhook_endpoints import DISABLE_AFTER_FAILURES, DISABLE_AFTER_MS, TRIAL_AFTER_MS, FailingEndpoint
from push.durable.webhook_keys import public_keys
from push.durable.webhook_messages import webhook_id
from push.durable.webhook_posting import WebhookPoster
from push.metrics import Metric
from tests.builders.results import NOW_MS
from tests.builders.webhooks import URL, make_record
from tests.fakes.queues import FakeCounter
from tests.fakes.webhooks import FakeClient, FakeEndpoints, FakePayloads, FakeTopics

ACME = Tenant("acme")
MASTER = b"m" * 32
ARN = "arn:aws:sns:eu-west-1:123456789012:results"


@dataclass
class World:
    """A poster and all that it works with."""

    client: FakeClient = field(default_factory=FakeClient)
    endpoints: FakeEndpoints = field(default_factory=FakeEndpoints)
    payloads: FakePayloads = field(default_factory=FakePayloads)
    counter: FakeCounter = field(default_factory=FakeCounter)
    now_ms: int = NOW_MS

    def __post_init__(self) -> None:
        async def read_masters() -> list[bytes]:
            return [MASTER]

        self.poster = WebhookPoster(
            client=self.client,
            endpoints=self.endpoints,
            payloads=self.payloads,
            read_masters=read_masters,
            allow_private=False,
            counter=self.counter,
            now_ms=lambda: self.now_ms,
        )

    @property
    def known(self) -> FailingEndpoint | None:
        return self.endpoints.known.get((ACME, URL))

    def know(self, failing_for_ms: int, failures: int, disabled_for_ms: int | None = None) -> None:
        disabled_at_ms = None if disabled_for_ms is None else self.now_ms - disabled_for_ms
        self.endpoints.known[ACME, URL] = FailingEndpoint(
            URL, self.now_ms - failing_for_ms, failures, disabled_at_ms, "It failed."
        )


async def test_a_webhook_is_posted_with_headers_that_verify() -> None:
    world = World(now_ms=time.time_ns() // 1_000_000)
    record = make_record()
    assert await world.poster.send(record) == AttemptOutcome(200)
    ((url, headers, body),) = world.client.posts
    assert (url.host, url.target, headers["content-type"]) == ("receiver.example", "/hook", "application/json")
    assert headers["webhook-id"] == webhook_id(record)
    message = Webhook(public_keys([MASTER], ACME).secrets[0]).verify(body, dict(headers))
    assert message["data"] == {"type": "result", "id": "request-1", "data": {"n": 1}}


async def test_data_that_are_kept_apart_are_linked_to_for_an_hour() -> None:
    world = World()
    await world.poster.send(make_record(answer=b'{"type":"result"}', payload="payloads/1"))
    assert json.loads(world.client.posts[0][2])["data"]["url"] == "https://bucket.example/payloads/1?seconds=3600"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(status: int) -> None:
    assert await World(FakeClient(WebhookAnswer(status))).poster.send(make_record()) == AttemptOutcome(status)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 429, 500, 503, 199, 600])
async def test_nothing_else_is(status: int) -> None:
    outcome = await World(FakeClient(WebhookAnswer(status))).poster.send(make_record())
    assert f"answered {status}" in outcome.error
    assert not outcome.is_final


async def test_what_kept_the_receiver_from_answering_is_told() -> None:
    outcome = await World(FakeClient(WebhookAnswer(error="No answer within 15 seconds."))).poster.send(make_record())
    assert outcome == AttemptOutcome(error="No answer within 15 seconds.")


async def test_retry_after_is_read() -> None:
    outcome = await World(FakeClient(WebhookAnswer(503, "120"))).poster.send(make_record())
    assert outcome.retry_after_seconds == 120.0


@pytest.mark.parametrize("url", ["http://receiver.example/", "https://10.0.0.1/", "https://receiver.example:22/"])
async def test_a_url_that_is_not_allowed_is_never_posted_to(url: str) -> None:
    world = World()
    outcome = await world.poster.send(make_record(deliver=Deliver(webhook=url)))
    assert outcome.is_final
    assert world.client.posts == []


async def test_a_url_that_is_gone_is_disabled_at_once() -> None:
    world = World(FakeClient(WebhookAnswer(410)))
    outcome = await world.poster.send(make_record())
    assert (outcome.status, outcome.is_final) == (410, True)
    assert world.known is not None
    assert world.known.disabled_at_ms == NOW_MS
    assert world.counter.of(Metric.WEBHOOK_DISABLED) == 1


async def test_a_url_that_failed_every_time_for_a_day_is_disabled() -> None:
    world = World(FakeClient(WebhookAnswer(500)))
    world.know(DISABLE_AFTER_MS, DISABLE_AFTER_FAILURES - 1)
    assert (await world.poster.send(make_record())).is_final
    assert world.known is not None
    assert world.known.disabled_at_ms == NOW_MS
    assert world.counter.of(Metric.WEBHOOK_DISABLED) == 1


@pytest.mark.parametrize(
    ("failing_for_ms", "failures"), [(DISABLE_AFTER_MS - 1, 1000), (10 * DISABLE_AFTER_MS, DISABLE_AFTER_FAILURES - 2)]
)
async def test_a_url_that_failed_for_less_or_few_times_is_not(failing_for_ms: int, failures: int) -> None:
    world = World(FakeClient(WebhookAnswer(500)))
    world.know(failing_for_ms, failures)
    assert not (await world.poster.send(make_record())).is_final
    assert world.known is not None
    assert world.known.disabled_at_ms is None


async def test_a_success_clears_the_failures() -> None:
    world = World()
    world.know(DISABLE_AFTER_MS, 5)
    await world.poster.send(make_record())
    assert world.known is None


async def test_nothing_is_posted_to_a_disabled_url() -> None:
    world = World()
    world.know(DISABLE_AFTER_MS, 10, disabled_for_ms=TRIAL_AFTER_MS - 1)
    assert await world.poster.send(make_record()) == AttemptOutcome(
        error="The URL is disabled. It failed.", is_final=True
    )
    assert world.client.posts == []


async def test_a_disabled_url_is_tried_once_a_day() -> None:
    world = World(FakeClient(WebhookAnswer(500)))
    world.know(DISABLE_AFTER_MS, 10, disabled_for_ms=TRIAL_AFTER_MS)
    assert (await world.poster.send(make_record())).is_final
    assert (await world.poster.send(make_record())).is_final
    assert len(world.client.posts) == 1


async def test_a_trial_that_succeeds_enables_the_url() -> None:
    world = World()
    world.know(DISABLE_AFTER_MS, 10, disabled_for_ms=TRIAL_AFTER_MS)
    assert await world.poster.send(make_record()) == AttemptOutcome(200)
    assert world.known is None


async def test_one_tenants_failures_are_not_anothers() -> None:
    world = World()
    world.know(DISABLE_AFTER_MS, 10, disabled_for_ms=0)
    assert await world.poster.send(make_record(tenant="globex")) == AttemptOutcome(200)


def publisher(topics: FakeTopics, payloads: FakePayloads) -> TopicPublisher:
    return TopicPublisher(topics=topics, allowed=(ARN,), payloads=payloads, store_payload=payloads.store)


async def test_a_topic_is_sent_the_message_of_a_webhook() -> None:
    topics = FakeTopics()
    record = make_record(deliver=Deliver(sns=ARN))
    assert await publisher(topics, FakePayloads()).send(record) == AttemptOutcome(200)
    ((arn, message, attributes),) = topics.published
    assert (arn, json.loads(message)["data"]["id"]) == (ARN, "request-1")
    assert attributes == {"type": "request.done", "id": webhook_id(record)}


async def test_a_topic_that_is_not_allowed_is_sent_nothing() -> None:
    topics = FakeTopics()
    outcome = await publisher(topics, FakePayloads()).send(make_record(deliver=Deliver(sns=f"{ARN}-other")))
    assert outcome.is_final
    assert topics.published == []


async def test_what_is_too_large_for_a_topic_is_linked_to() -> None:
    topics, payloads = FakeTopics(), FakePayloads()
    text = "x" * MAX_MESSAGE_BYTES
    answer = b'{"type":"result","id":"1","data":"%b"}' % text.encode()
    await publisher(topics, payloads).send(make_record(deliver=Deliver(sns=ARN), answer=answer))
    message = topics.published[0][1]
    assert len(message) < 1000
    ((name, data),) = payloads.stored.items()
    assert json.loads(data) == text
    assert json.loads(message)["data"] == {"type": "result", "id": "1", "url": payloads.link(name, 3600)}


async def test_a_throttled_topic_is_tried_again() -> None:
    topics = FakeTopics(AttemptOutcome(400, "SNS refused the message: Throttled."))
    outcome = await publisher(topics, FakePayloads()).send(make_record(deliver=Deliver(sns=ARN)))
    assert outcome.error
    assert not outcome.is_final
