"""How long `pushaside load` waits for the answer to a subscription."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from pushaside_tools.load import broadcast
from pushaside_tools.load.broadcast import Broadcast
from pushaside_tools.load.link import Link, OnClose, OnMessage
from pushaside_tools.load.plan import Plan, TopicPlan
from tests.patience import PATIENCE_SECONDS

ANSWER = b'{"type":"subscribed","id":"s0","topic":"load:1/0","position":"e:0"}'


class SlowLink:
    """A connection whose service has not answered yet."""

    def listen(self, on_message: OnMessage, on_close: OnClose) -> None:
        del on_close
        self.answer = on_message

    def send(self, message: bytes) -> None:
        del message


def make_plan(deadline: float) -> Plan:
    topics = TopicPlan(subscribers=1, topics=1, publishers=1, rate=1.0, size=10, channel="load:1")
    return Plan(
        url="ws://127.0.0.1:1/v1",
        token=None,
        compute="synthetic",
        params="{}",
        rate=None,
        concurrency=0,
        connections=0,
        connect_rate=500.0,
        duration=1.0,
        deadline=deadline,
        keys=1,
        skew=0.0,
        cold_share=0.0,
        has_seed=True,
        may_change=False,
        processes=1,
        run=1,
        topics=topics,
    )


@pytest.mark.parametrize(
    ("deadline", "errors"), [(PATIENCE_SECONDS, {}), (0.0, {"no answer to subscribe": 1})], ids=["in time", "too late"]
)
async def test_a_subscription_may_take_as_long_as_the_deadline(
    monkeypatch: pytest.MonkeyPatch, deadline: float, errors: dict[str, int]
) -> None:
    monkeypatch.setattr(broadcast, "_ANSWER_SECONDS", 0.0)
    plan = make_plan(deadline)
    assert plan.topics is not None
    subscribing, link = Broadcast(plan, plan.topics, 0, lambda: None), SlowLink()
    subscribing.adopt_subscriber(0, cast("Link", link))
    waiting = asyncio.create_task(subscribing.subscribed())
    await asyncio.sleep(0)
    link.answer(ANSWER, 0)
    await waiting
    assert subscribing.hand_over().errors == errors
