"""Hundreds of webhooks to a receiver that fails, is slow and drops connections: each arrives, and is taken once."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from backports import zstd
from standardwebhooks import Webhook

from notify.webhooks_app import handle
from push.adapters.dynamodb.attempts import DynamoDbAttempts
from push.adapters.webhooks import HttpWebhookClient
from push.computes import Tenant
from push.durable.requests import WebhookJob, serialize_message
from push.durable.webhook_delivering import WebhookDeliverer
from push.durable.webhook_keys import public_keys
from push.durable.webhook_posting import WebhookPoster
from tests.builders.results import NOW_MS
from tests.fakes.queues import FakeCounter
from tests.fakes.webhooks import FakeEndpoints, FakePayloads, FakeSender, FakeWebhookQueue
from tests.servers.aws import Aws
from tests.servers.webhook_receivers import Received, Receiver, receiving, status

ACME = Tenant("acme")
MASTER = b"m" * 32
REQUESTS = 400
WORKERS = 6
SLOW_SECONDS = 0.2


@dataclass
class UnreliableReceiver:
    """Verifies every webhook, and then answers as it is in the mood to; `taken` are those it answered with 2xx."""

    verifier: Webhook
    posts: Counter[str] = field(default_factory=Counter)
    moods: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    results: dict[str, Any] = field(default_factory=dict)
    posted_after_taken: list[str] = field(default_factory=list)

    async def answer(self, request: Received, writer: asyncio.StreamWriter) -> None:
        message = self.verifier.verify(request.body, request.headers)
        webhook_id = request.headers["webhook-id"]
        if self.taken[webhook_id]:
            self.posted_after_taken.append(webhook_id)
        self.posts[webhook_id] += 1
        mood = self._mood(webhook_id)
        self.moods[mood] += 1
        if mood == "drop":
            writer.transport.abort()
            return
        if mood == "fail":
            await status(random.choice([500, 502, 503, 429]), "Retry-After: 1")(request, writer)
            return
        if mood == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        self.taken[webhook_id] += 1
        self.results[message["data"]["id"]] = message["data"]["data"]
        await status(200)(request, writer)

    def _mood(self, webhook_id: str) -> str:
        # The same for the same post, in whatever order they come.
        dice = random.Random(f"{webhook_id} {self.posts[webhook_id]}").random()
        return "fail" if dice < 0.30 else "slow" if dice < 0.40 else "drop" if dice < 0.45 else "take"


class ImpatientQueue:
    """A queue whose time is a clock that jumps to the next message when nobody has anything to do.

    One message in thirty is delivered twice.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, int, str]] = []
        self._working = 0
        self._changed = asyncio.Condition()
        self.now_ms = NOW_MS

    async def send(self, jobs: Sequence[WebhookJob], delay_seconds: int = 0) -> None:
        assert 0 <= delay_seconds <= 900, "SQS delays by 15 minutes at most"
        for job in jobs:
            for _ in range(2 if self._rng.random() < 1 / 30 else 1):
                at_ms = self.now_ms + delay_seconds * 1000
                heapq.heappush(self._waiting, (at_ms, next(self._numbers), serialize_message(job)))
        async with self._changed:
            self._changed.notify_all()

    async def work(self, deliverer: WebhookDeliverer) -> None:
        """Handle batches until nothing is left."""
        while batch := await self._receive():
            records = [{"messageId": str(index), "body": body} for index, body in enumerate(batch)]
            assert await handle(records, deliverer) == []
            async with self._changed:
                self._working -= 1
                self._changed.notify_all()

    async def _receive(self) -> list[str]:
        async with self._changed:
            while not (self._waiting and self._waiting[0][0] <= self.now_ms):
                if self._working:
                    await self._changed.wait()
                elif self._waiting:
                    self.now_ms = self._waiting[0][0]
                else:
                    return []
            self._working += 1
            batch = []
            while self._waiting and self._waiting[0][0] <= self.now_ms and len(batch) < 10:
                batch.append(heapq.heappop(self._waiting)[2])
            return batch


@pytest.fixture
def dynamodb(aws: Aws) -> Any:
    return aws.client("dynamodb")


def settled_row(number: int, deliver: str) -> dict[str, Any]:
    answer = f'{{"type":"result","id":"{number}","data":{{"number":{number}}}}}'
    return {
        "request": {"S": f"acme/{number}"},
        "status": {"S": "done"},
        "compute": {"S": "echo"},
        "fingerprint": {"S": "f"},
        "deliver": {"S": deliver},
        "accepted_at": {"N": str(NOW_MS)},
        "deadline_at": {"N": str(NOW_MS)},
        "settled_at": {"N": str(NOW_MS)},
        "attempt_count": {"N": "0"},
        "answer": {"B": zstd.compress(answer.encode())},
    }


def put_settled_requests(dynamodb: Any, table: str, receiver: Receiver, count: int = REQUESTS) -> list[WebhookJob]:
    deliver = json.dumps({"webhook": receiver.url()})
    rows = [settled_row(number, deliver) for number in range(count)]
    for start in range(0, count, 25):
        puts = [{"PutRequest": {"Item": row}} for row in rows[start : start + 25]]
        dynamodb.batch_write_item(RequestItems={table: puts})
    return [WebhookJob(ACME, str(number)) for number in range(count)]


def build_deliverer(aws: Aws, dynamodb: Any, queue: ImpatientQueue, dead_letters: FakeWebhookQueue) -> WebhookDeliverer:
    async def read_masters() -> list[bytes]:
        return [MASTER]

    return WebhookDeliverer(
        attempts=DynamoDbAttempts(dynamodb, aws.tables["requests"]),
        queue=queue,
        dead_letters=dead_letters,
        webhooks=WebhookPoster(
            client=HttpWebhookClient(allow_private=True),
            endpoints=FakeEndpoints(),
            payloads=FakePayloads(),
            read_masters=read_masters,
            allow_private=True,
            counter=FakeCounter(),
            # The receiver's library takes nothing whose time is not about now.
            now_ms=lambda: time.time_ns() // 1_000_000,
        ),
        topics=FakeSender(),
        counter=FakeCounter(),
        now_ms=lambda: queue.now_ms,
        random=random.Random(1).random,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_hundreds_of_webhooks_arrive_at_an_unreliable_receiver(aws: Aws, dynamodb: Any) -> None:
    unreliable = UnreliableReceiver(Webhook(public_keys([MASTER], ACME).secrets[0]))
    queue, dead_letters = ImpatientQueue(random.Random(2)), FakeWebhookQueue()
    async with receiving(unreliable.answer) as receiver:
        deliverer = build_deliverer(aws, dynamodb, queue, dead_letters)
        await queue.send(put_settled_requests(dynamodb, aws.tables["requests"], receiver))
        await work(queue, deliverer)
        given_up = {job.id for job, _ in dead_letters.sent}
        # Who failed at all seven attempts is sent again, as `pushaside redrive` does.
        while dead_letters.sent:
            await queue.send([dead_letters.sent.pop()[0]])
            await work(queue, deliverer)
    posts, moods = unreliable.posts.total(), unreliable.moods
    print(
        f"\n{REQUESTS} webhooks in {posts} posts over {(queue.now_ms - NOW_MS) / 3_600_000:.1f} simulated hours: "
        f"{moods['fail']} failed, {moods['slow']} answered slowly, {moods['drop']} dropped; "
        f"{len(given_up)} given up after seven attempts and sent again"
    )
    assert unreliable.results == {str(number): {"number": number} for number in range(REQUESTS)}
    assert set(unreliable.taken.values()) == {1}
    assert unreliable.posted_after_taken == []
    assert len(given_up) < REQUESTS * 0.005
    assert 0.27 < moods["fail"] / posts < 0.33
    assert 0.08 < moods["slow"] / posts < 0.12
    assert 0.035 < moods["drop"] / posts < 0.065
    assert all(row["delivery"]["S"] == "delivered" for row in all_rows(dynamodb, aws.tables["requests"]))


async def work(queue: ImpatientQueue, deliverer: WebhookDeliverer) -> None:
    await asyncio.gather(*(queue.work(deliverer) for _ in range(WORKERS)))


def all_rows(dynamodb: Any, table: str) -> list[dict[str, Any]]:
    page: dict[str, Any] = dynamodb.scan(TableName=table)
    rows = list(page["Items"])
    while start := page.get("LastEvaluatedKey"):
        page = dynamodb.scan(TableName=table, ExclusiveStartKey=start)
        rows += page["Items"]
    return rows


async def test_a_slow_receiver_holds_up_no_other_of_its_batch(aws: Aws, dynamodb: Any) -> None:
    answered: dict[str, float] = {}
    released = asyncio.Event()

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        number = json.loads(request.body)["data"]["id"]
        if number == "0":
            await released.wait()
        await status(200)(request, writer)
        answered[number] = time.monotonic()
        if len(answered) == 9:
            # The slow one answers only now: had another waited for it, nobody would ever have been done.
            released.set()

    queue = ImpatientQueue(random.Random(2))
    async with receiving(answer) as receiver:
        deliverer = build_deliverer(aws, dynamodb, queue, FakeWebhookQueue())
        jobs = put_settled_requests(dynamodb, aws.tables["requests"], receiver, 10)
        records = [{"messageId": job.id, "body": serialize_message(job)} for job in jobs]
        assert await handle(records, deliverer) == []
    assert max(answered, key=lambda number: answered[number]) == "0"
    assert len(answered) == 10
