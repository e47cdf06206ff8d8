"""Histories under any sequence of events: what is read is exactly what follows the position, or is said not to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from push.adapters.redis.connection import SyncRedis
from push.adapters.redis.histories import SyncRedisHistory
from push.settings import CacheSettings
from push.topics.histories import NewMessage
from push.topics.ports import SyncTopicHistories
from push.topics.positions import Position
from push.topics.topics import Topic
from tests.contract.redis.topic_stores import unique_topic
from tests.fakes.clock import Clock
from tests.fakes.topics import SyncFakeHistory, TopicModel

pytestmark = pytest.mark.slow

SIZES = st.integers(1, 8)


class Histories(RuleBasedStateMachine):
    """Knows all that was ever appended, by epoch; `forget` loses the topic, or only its messages."""

    def __init__(self, histories: SyncTopicHistories, forget: Callable[[Topic, str], object]) -> None:
        super().__init__()
        self.histories = histories
        self.forget = forget
        self.topic = unique_topic()
        self.epochs: dict[str, list[bytes]] = {}
        self.epoch = ""
        self.ids: dict[str, int] = {}
        self.kept_from = 0
        """The offset after which nothing has been dropped of the epoch."""
        self.count = 0

    def check_position(self, position: Position) -> None:
        """Take notice of a new epoch, which may begin only when the topic was lost."""
        if position.epoch != self.epoch:
            assert position.epoch not in self.epochs
            assert not self.epoch
            self.epoch, self.kept_from, self.ids = position.epoch, 0, {}
            self.epochs[self.epoch] = []

    @rule(ids=st.lists(st.sampled_from(("", "", "a", "b")), min_size=1, max_size=5), size=SIZES)
    def append(self, ids: Sequence[str], size: int) -> None:
        messages = []
        for each in ids:
            self.count += 1
            messages.append(NewMessage(b"%d" % self.count, id=each))
        appended = self.histories.append(self.topic, messages, size=size, seconds=600)
        self.check_position(appended[0].position)
        data = self.epochs[self.epoch]
        for message, standing in zip(messages, appended, strict=True):
            assert standing.is_new == (message.id not in self.ids)
            if standing.is_new:
                data.append(message.data)
                self.kept_from = max(self.kept_from, len(data) - size)
            assert standing.position == Position(self.epoch, self.ids.get(message.id, len(data)))
            if message.id:
                self.ids[message.id] = standing.position.offset

    @rule(data=st.data(), limit=st.integers(1, 12))
    def read(self, data: st.DataObject, limit: int) -> None:
        epoch = data.draw(st.sampled_from((*self.epochs, "unknown")))
        after = Position(epoch, data.draw(st.integers(0, len(self.epochs.get(epoch, ())) + 1)))
        history = self.histories.read(self.topic, after, limit)
        self.check_position(history.head)
        everything = self.epochs[self.epoch]
        assert history.head == Position(self.epoch, len(everything))
        is_known = epoch == self.epoch and after.offset <= len(everything)
        assert history.is_complete == (is_known and after.offset >= min(self.kept_from, len(everything)))
        found = [message.data for message in history.messages]
        if history.is_complete:
            assert found == everything[after.offset : after.offset + limit]
            assert [message.position.offset for message in history.messages] == [
                *range(after.offset + 1, after.offset + 1 + len(found))
            ]
        else:
            assert found in ([], everything[-1:])

    @rule(limit=st.integers(0, 12))
    def read_latest(self, limit: int) -> None:
        history = self.histories.read_latest(self.topic, limit)
        self.check_position(history.head)
        everything = self.epochs[self.epoch]
        kept = everything[self.kept_from :]
        assert [message.data for message in history.messages] == kept[max(0, len(kept) - limit) :]

    @rule()
    def lose_everything(self) -> None:
        self.forget(self.topic, "topic")
        self.epoch = ""

    @precondition(lambda self: self.epoch)
    @rule()
    def lose_the_messages(self) -> None:
        self.forget(self.topic, "history")
        self.kept_from = len(self.epochs[self.epoch])


def run(new_machine: Callable[[], Histories], examples: int) -> None:
    options = settings(
        max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(new_machine, settings=options)  # type: ignore[arg-type] # takes any factory


def test_the_model_reads_what_follows_or_says_that_something_is_missing() -> None:
    def new_machine() -> Histories:
        model = TopicModel(Clock())

        def forget(topic: Topic, what: str) -> None:
            if what == "topic":
                model.topics.pop(topic.storage, None)
            else:
                model.topics[topic.storage].messages.clear()

        return Histories(SyncFakeHistory(model), forget)

    run(new_machine, 200)


def test_redis_reads_what_follows_or_says_that_something_is_missing(redis_url: str) -> None:
    redis = SyncRedis(CacheSettings(cache_url=redis_url, cache_timeout_ms=2000, cache_connect_timeout_ms=2000))

    def forget(topic: Topic, what: str) -> None:
        # Losing the epoch alone is the harder case: what else is left must not be taken for the new one's.
        redis.run("DEL", f"{{{topic.storage}}}:{what}")

    run(lambda: Histories(SyncRedisHistory(redis), forget), 100)
