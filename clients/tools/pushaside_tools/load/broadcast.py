"""The channels of one process: subscribes, publishes messages when due, and passes deliveries to the ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pushaside.protocol.positions import Position
from pushaside_tools.load.feed_ledger import Feed, FeedLedger, Heads
from pushaside_tools.load.link import Link
from pushaside_tools.load.pacing import send_at_rate
from pushaside_tools.load.plan import Plan, PublishWriter, TopicPlan
from pushaside_tools.load.schedule import Schedule, share
from pushaside_tools.load.tally import TopicTally

_ANSWER_SECONDS = 10.0
"""After this time, or the plan's deadline if that is longer, a message or a subscription counts as unanswered."""
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Publication:
    number: int
    due: float
    sent: float
    link: int


class Broadcast:
    """Subscribers and publishers over the connections that it adopts. It calls `on_loss` when it loses one of them."""

    def __init__(self, plan: Plan, topics: TopicPlan, process: int, on_loss: Callable[[], None]) -> None:
        self._plan = plan
        self._topics = topics
        self._process = process
        self._on_loss = on_loss
        self._schedule = Schedule(topics.rate, process, plan.processes)
        self._feeds = [
            Feed((number * plan.processes + process) % topics.topics)
            for number in range(share(topics.subscribers, process, plan.processes))
        ]
        self._channels = [topics.name_of(topic) for topic in range(topics.topics)]
        self._write = PublishWriter(f"{plan.run:x}", self._channels, topics.size).write
        total = Schedule(topics.rate).count_before(plan.duration)
        self._ledger = FeedLedger(topics, f"{plan.run:x}", total)
        self._unsubscribed: set[int] = set()
        self._publishers: dict[int, Link] = {}
        self._pending: dict[str, _Publication] = {}
        self._heard = asyncio.Event()
        self._answer_seconds = max(_ANSWER_SECONDS, plan.deadline)
        self.delivered_at = 0.0

    @property
    def heads(self) -> Heads:
        """The latest position that this process has seen of each channel."""
        return self._ledger.heads

    def adopt_subscriber(self, number: int, link: Link) -> None:
        """Subscribe over a connection."""
        self._unsubscribed.add(number)
        link.listen(self._take_delivery, self._lose_subscriber)
        channel = orjson.dumps(self._channels[self._feeds[number].topic]).decode()
        link.send(f'{{"action":"subscribe","id":"s{number}","topic":{channel}}}'.encode())

    def adopt_publisher(self, number: int, link: Link) -> None:
        """Use a connection for publishing."""
        self._publishers[number] = link
        link.listen(self._take_answer, self._lose_publisher)

    async def subscribed(self) -> None:
        """Wait until all subscriptions are answered; unanswered ones count as errors."""
        until = time.monotonic() + self._answer_seconds
        await self._wait(lambda: not self._unsubscribed, until)
        if self._unsubscribed:
            self._ledger.tally.errors["no answer to subscribe"] += len(self._unsubscribed)
            self._unsubscribed.clear()

    async def run(self, begins_at: float) -> None:
        """Publish all messages from `begins_at` on, and wait for the last answer."""
        self._ledger.begins_at = begins_at
        await asyncio.sleep(max(0.0, begins_at - time.monotonic()))
        seconds = self._plan.duration
        unsent = await send_at_rate(
            self._schedule, begins_at, seconds, self._answer_seconds, self._publish, self._publishers
        )
        self._ledger.tally.unsent += unsent
        await self._wait(lambda: not self._pending, time.monotonic() + self._answer_seconds + 1)

    async def settle(self, heads: Mapping[int, Position]) -> None:
        """Wait, up to the deadline, until all subscribers have reached these positions; count missing messages."""
        until = time.monotonic() + self._plan.deadline
        # Polling all subscribers costs less than checking all of them at each delivery.
        while any(feed.is_behind(heads) for feed in self._feeds) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        self._ledger.settle(self._feeds, heads)

    def expire(self, now: float) -> None:
        """Count messages as unconfirmed that have been unanswered for too long."""
        while self._pending:
            publish_id, oldest = next(iter(self._pending.items()))
            if oldest.sent + self._answer_seconds > now:
                return
            self._give_up(publish_id)

    def hand_over(self) -> TopicTally:
        """Return the counts since the last call."""
        return self._ledger.hand_over()

    def _publish(self, index: int, due: float) -> None:
        links = list(self._publishers)
        link = links[index % len(links)]
        number = self._schedule.number_of(index)
        publish_id = f"p{number}"
        self._pending[publish_id] = _Publication(number, due, time.monotonic(), link)
        self._ledger.tally.published += 1
        self._publishers[link].send(self._write(publish_id, number))

    def _take_delivery(self, message: bytes, number: int) -> None:
        now = time.monotonic()
        self._ledger.tally.received_bytes += len(message)
        fields = self._read(message)
        match fields.get("type"):
            case "update" | "resync":
                self._ledger.take(self._feeds[number], fields, now)
                self.delivered_at = now
            case "subscribed":
                self._ledger.subscribe(self._feeds[number], str(fields.get("position")))
                self._settle_subscription(number)
            case "error":
                self._count_error(fields)
                self._settle_subscription(number)

    def _take_answer(self, message: bytes, _number: int) -> None:
        now = time.monotonic()
        fields = self._read(message)
        if fields.get("type") not in {"published", "error"}:
            return
        publication = self._pending.pop(str(fields.get("id")), None)
        if fields["type"] == "error":
            self._count_error(fields)
        elif publication is not None:
            self._ledger.tally.confirmed += 1
            self._ledger.tally.publishing.record(now - publication.due)
            self._ledger.confirm(publication.number, str(fields.get("position")))
        self._heard.set()

    def _read(self, message: bytes) -> dict[str, Any]:
        try:
            fields = orjson.loads(message)
        except orjson.JSONDecodeError:
            fields = None
        if not isinstance(fields, dict):
            self._ledger.tally.wrong["not a JSON object"] += 1
            return {}
        if "type" not in fields and "message" in fields:
            self._ledger.tally.errors["gateway"] += 1
        return fields

    def _count_error(self, fields: dict[str, Any]) -> None:
        error = fields.get("error")
        self._ledger.tally.errors[str(error.get("code")) if isinstance(error, dict) else "none"] += 1

    def _settle_subscription(self, number: int) -> None:
        self._unsubscribed.discard(number)
        self._heard.set()

    def _lose_subscriber(self, number: int) -> None:
        self._on_loss()
        self._settle_subscription(number)

    def _lose_publisher(self, number: int) -> None:
        if self._publishers.pop(number, None) is not None:
            self._on_loss()
            for publish_id in [each for each, publication in self._pending.items() if publication.link == number]:
                self._give_up(publish_id)

    def _give_up(self, publish_id: str) -> None:
        del self._pending[publish_id]
        self._ledger.tally.unconfirmed += 1
        self._heard.set()

    async def _wait(self, is_over: Callable[[], bool], until: float) -> None:
        while not is_over() and (left := until - time.monotonic()) > 0:
            self._heard.clear()
            try:
                await asyncio.wait_for(self._heard.wait(), left)
            except TimeoutError:
                return
