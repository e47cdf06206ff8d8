"""The webhook queue through its handler: webhooks and topics, with everything that AWS does behind it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from backports import zstd
from standardwebhooks import Webhook

import notify.webhooks_app
from notify.webhooks_app import handler
from push.computes import Tenant
from push.durable.requests import Deliver, WebhookJob, parse_webhook_job, serialize_message
from push.durable.webhook_keys import public_keys
from tests.builders.results import NOW_MS
from tests.servers.aws import Aws
from tests.servers.queues import receive_count, send, wait_for
from tests.servers.webhook_receivers import Answering, Receiver, receiving, status

MASTER = "m" * 64


class Served:
    """A receiver on a thread of its own: the handler has the event loop of its environment."""

    def __init__(self) -> None:
        self.answering: Answering = status(200)
        self.receiver = Receiver()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        async with receiving(lambda request, writer: self.answering(request, writer)) as self.receiver:
            self._ready.set()
            await self._stop.wait()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    served.start()
    yield served
    served.stop()


@pytest.fixture
def queues(aws: Aws) -> dict[str, str]:
    sqs = aws.client("sqs")
    return {name: sqs.create_queue(QueueName=f"{name}-{aws.bucket}")["QueueUrl"] for name in ("webhooks", "dead")}


@pytest.fixture(autouse=True)
def webhooks(environment: pytest.MonkeyPatch, aws: Aws, queues: dict[str, str]) -> Iterator[None]:
    notify.webhooks_app.build.cache_clear()
    variables = {
        "POWERTOOLS_METRICS_NAMESPACE": "Pushaside",
        "POWERTOOLS_SERVICE_NAME": "webhook",
        "REQUESTS_TABLE": aws.tables["requests"],
        "WEBHOOKS_TABLE": aws.tables["webhooks"],
        "WEBHOOK_QUEUE_URL": queues["webhooks"],
        "WEBHOOK_DEAD_LETTER_QUEUE_URL": queues["dead"],
        "WEBHOOK_SECRET_ARN": aws.client("secretsmanager").create_secret(Name=aws.bucket, SecretString=MASTER)["ARN"],
        "STORAGE_BUCKET": aws.bucket,
        "ALLOW_PRIVATE_WEBHOOKS": "true",
        "SNS_TOPIC_ARNS": aws.client("sns").create_topic(Name=aws.bucket)["TopicArn"],
    }
    for name, value in variables.items():
        environment.setenv(name, value)
    yield
    notify.webhooks_app.build.cache_clear()


def settle(aws: Aws, deliver: Deliver, request_id: str = "request-1", **attributes: Any) -> WebhookJob:
    item = {
        "request": {"S": f"acme/{request_id}"},
        "status": {"S": "done"},
        "compute": {"S": "echo"},
        "fingerprint": {"S": "f"},
        "deliver": {"S": msgspec.json.encode(deliver).decode()},
        "accepted_at": {"N": str(NOW_MS)},
        "deadline_at": {"N": str(NOW_MS)},
        "settled_at": {"N": str(NOW_MS)},
        "attempt_count": {"N": "0"},
        "answer": {"B": zstd.compress(b'{"type":"result","id":"request-1","data":{"n":1}}')},
        **attributes,
    }
    aws.client("dynamodb").put_item(TableName=aws.tables["requests"], Item=item)
    return WebhookJob(Tenant("acme"), request_id)


def event(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": str(index), "body": body} for index, body in enumerate(bodies)]}


def deliver_all(*jobs: WebhookJob) -> list[str]:
    answer = handler(event(*map(serialize_message, jobs)), object())
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def queued(aws: Aws, queue_url: str) -> tuple[int, int]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    counts = aws.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return int(counts[names[0]]), int(counts[names[1]])


def the_row(aws: Aws) -> dict[str, Any]:
    (row,) = aws.rows("requests")
    return row


def test_a_webhook_arrives_and_verifies(aws: Aws, served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    job = settle(aws, Deliver(webhook=served.receiver.url()))
    assert deliver_all(job) == []
    (request,) = served.receiver.requests
    message = Webhook(public_keys([MASTER.encode()], Tenant("acme")).secrets[0]).verify(request.body, request.headers)
    assert message["type"] == "request.done"
    assert message["data"] == {"type": "result", "id": "request-1", "data": {"n": 1}}
    assert the_row(aws)["delivery"]["S"] == "delivered"
    assert '"WebhookAttempt":[1.0]' in capsys.readouterr().out


def test_what_the_receiver_does_not_take_is_queued_for_later(aws: Aws, served: Served, queues: dict[str, str]) -> None:
    served.answering = status(503)
    assert deliver_all(settle(aws, Deliver(webhook=served.receiver.url()))) == []
    assert queued(aws, queues["webhooks"]) == (0, 1)
    row = the_row(aws)
    assert (row["delivery"]["S"], row["attempts"]["L"][0]["M"]["status"]["N"]) == ("retrying", "503")


def test_a_receiver_that_is_gone_is_disabled_and_the_message_kept_for_a_redrive(
    aws: Aws, served: Served, queues: dict[str, str]
) -> None:
    served.answering = status(410)
    assert deliver_all(settle(aws, Deliver(webhook=served.receiver.url()))) == []
    assert the_row(aws)["delivery"]["S"] == "failed"
    assert "disabled_at" in aws.rows("webhooks")[0]
    (message,) = aws.client("sqs").receive_message(QueueUrl=queues["dead"])["Messages"]
    assert parse_webhook_job(message["Body"]) == WebhookJob(Tenant("acme"), "request-1", 2)


def test_a_large_result_is_linked_to(aws: Aws, served: Served) -> None:
    aws.client("s3").put_object(Bucket=aws.bucket, Key="payloads/1", Body=b'{"large":true}')
    answer = {"B": zstd.compress(b'{"type":"result","id":"request-1"}')}
    deliver_all(settle(aws, Deliver(webhook=served.receiver.url()), answer=answer, payload={"S": "payloads/1"}))
    url = json.loads(served.receiver.requests[0].body)["data"]["url"]
    assert f"{aws.bucket}/payloads/1?" in url
    assert "Expires=3600" in url


def test_a_topic_is_published_to(aws: Aws, environment: pytest.MonkeyPatch) -> None:
    arn = aws.client("sns").create_topic(Name=aws.bucket)["TopicArn"]
    assert deliver_all(settle(aws, Deliver(sns=arn))) == []
    row = the_row(aws)
    assert (row["delivery"]["S"], row["attempts"]["L"][0]["M"]["status"]["N"]) == ("delivered", "200")


def test_what_is_no_message_of_this_version_is_dropped(aws: Aws) -> None:
    assert handler(event("{}", "no json"), object()) == {"batchItemFailures": []}


def test_messages_come_back_soon_while_the_table_does_not_answer(
    aws: Aws, served: Served, environment: pytest.MonkeyPatch, queues: dict[str, str]
) -> None:
    body = serialize_message(settle(aws, Deliver(webhook=served.receiver.url())))
    environment.setenv("REQUESTS_TABLE", "nowhere")
    sqs, queue = aws.client("sqs"), queues["webhooks"]
    received = send(sqs, queue, body)
    answer = handler({"Records": received}, object())
    assert answer["batchItemFailures"] == [{"itemIdentifier": received[0]["messageId"]}]
    assert served.receiver.requests == []
    (again,) = wait_for(sqs, queue)
    assert receive_count(again) == 2


def test_outside_of_development_nothing_is_posted_to_this_host(
    aws: Aws, served: Served, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ALLOW_PRIVATE_WEBHOOKS", "false")
    for index, url in enumerate((served.receiver.url(), served.receiver.url().replace("http:", "https:"))):
        assert deliver_all(settle(aws, Deliver(webhook=url), f"request-{index}")) == []
    assert served.receiver.requests == []
    assert all(row["delivery"]["S"] == "failed" for row in aws.rows("requests"))
