"""What clients say of topics, answered on fakes: one execution environment around the models of Redis."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import msgspec

from push.callers import Caller
from push.computes import Tenant
from push.errors import TransientError
from push.protocol.messages import Hello, Publish, Subscribe, Unsubscribe, parse_message
from push.topics.namespaces import parse_namespaces
from push.topics.positions import Position
from push.topics.subscriptions import LiveResult, Subscription
from push.topics.topics import Topic, shard_of
from request.asking.client_encodings import ClientEncodings
from request.asking.live_values import LiveValues
from request.subscribing.connection_subscriptions import ConnectionSubscriptions
from request.subscribing.publishing import Publishing
from request.subscribing.topic_replies import TopicReplies
from tests.fakes.delivery import FakeDeliverySender
from tests.fakes.topics import FakeLagging, SyncFakeHistory, TopicModel
from tests.worlds.functions import World

NAMESPACES = b"""[
    {"match": "*@*", "history_size": 2},
    {"match": "room:*", "publish": "anybody", "presence": true},
    {"match": "news:*", "publish": ["editor"], "history_size": 3},
    {"match": "board:*", "subscribe": ["director"]},
    {"match": "*", "publish": "anybody"}
]"""


class FakeSubscriptions:
    """`Subscriptions` in dicts; `log` tells, among others, when they were written."""

    def __init__(self, log: list[str]) -> None:
        self.rows: dict[tuple[str, str], Subscription] = {}
        self.live: dict[str, dict[str, LiveResult]] = {}
        self.is_down = False
        self.on_add: Callable[[], None] | None = None
        self._log = log

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        self._check()
        self._log.append("add")
        self.rows |= {(each.topic.storage, each.connection_id): each for each in subscriptions}
        if self.on_add is not None:
            self.on_add()

    def remove(self, topic: Topic, connection_id: str) -> None:
        self._check()
        self.rows.pop((topic.storage, connection_id), None)

    def remove_connection(self, connection_id: str) -> Sequence[Topic]:
        self._check()
        topics = self.topics_of(connection_id)
        for topic in topics:
            del self.rows[topic.storage, connection_id]
        return topics

    def topics_of(self, connection_id: str) -> list[Topic]:
        return [each.topic for each in self.rows.values() if each.connection_id == connection_id]

    def count_of(self, connection_id: str, topic: Topic | None = None) -> int:
        self._check()
        topics = self.topics_of(connection_id)
        return sum(topic is None or shard_of(each.storage) == shard_of(topic.storage) for each in topics)

    def add_live(self, tags: Collection[str], live: LiveResult) -> None:
        self._check()
        self._log.append("add_live")
        for tag in tags:
            self.live.setdefault(tag, {})[live.key.storage] = live

    def _check(self) -> None:
        if self.is_down:
            raise TransientError("The table is down.")


class LoggedHistory(SyncFakeHistory):
    """`SyncTopicHistories` on the model, which notes when topics were looked at."""

    def __init__(self, model: TopicModel, log: list[str]) -> None:
        super().__init__(model)
        self._log = log

    def head(self, topic: Topic) -> Position:
        self._log.append("head")
        return super().head(topic)


class LoggedLagging(FakeLagging):
    """`SyncLagging` on the model, which notes when connections were made to lag."""

    def __init__(self, model: TopicModel, log: list[str]) -> None:
        super().__init__(model)
        self._log = log

    def lag(self, topic: Topic, shard: int, connection_id: str, after: Position) -> str:
        self._log.append("lag")
        return super().lag(topic, shard, connection_id, after)


@dataclass
class TopicWorld:
    """Everything, with its parts in reach of tests."""

    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.log: list[str] = []
        self.topics = self.world.topics
        self.histories = LoggedHistory(self.topics, self.log)
        self.subscriptions = FakeSubscriptions(self.log)
        self.fan_out = self.world.fan_out
        self.namespaces = parse_namespaces(NAMESPACES)
        self.publishing = Publishing(namespaces=self.namespaces, histories=self.histories, fan_out=self.fan_out)
        self.replies = TopicReplies(
            subscriptions=self._make_subscriptions(),
            publishing=self.publishing,
            client_encodings=ClientEncodings(self.world.encodings, self.world.clock),
            payloads=self.world.payloads,
            deliveries=FakeDeliverySender(self.world.deliveries),
            now_ms=self.world.clock,
        )
        self._ids = itertools.count(1)

    def _make_subscriptions(self) -> ConnectionSubscriptions:
        live = LiveValues(
            engine=self.world.new_engine(),
            registry=self.world.registry,
            store=self.world.results,
            subscriptions=self.subscriptions,
            now_ms=self.world.clock,
        )
        return ConnectionSubscriptions(
            namespaces=self.namespaces,
            registry=self.world.registry,
            subscriptions=self.subscriptions,
            histories=self.histories,
            lagging=LoggedLagging(self.topics, self.log),
            fan_out=self.fan_out,
            live=live,
            now_ms=self.world.clock,
        )

    def send(
        self,
        action: str,
        *,
        connection_id: str = "ann=",
        tenant: str = "acme",
        principal: str = "ann",
        **members: object,
    ) -> dict:
        """Send what a client says, and return the frame that answers; what is refused is raised."""
        text = msgspec.json.encode({"action": action, "id": str(next(self._ids)), **members}).decode()
        caller = Caller(Tenant(tenant), principal, connection_id)
        match parse_message(text):
            case Subscribe() as message:
                return msgspec.json.decode(self.replies.subscribe(message, caller))
            case Unsubscribe() as message:
                return msgspec.json.decode(self.replies.unsubscribe(message, caller))
            case Publish() as message:
                return msgspec.json.decode(self.replies.publish(message, caller))
            case Hello() as message:
                refused = self.replies.resume(message, caller)
                return {topic: error.code.value for topic, error in refused.items()}
            case message:
                raise AssertionError(f"{message} is not about topics")

    def publish(self, topic: str, *data: object) -> str:
        """Publish messages, and return the position of the last."""
        published = [self.send("publish", topic=topic, data=each, principal="editor") for each in data]
        self.fan_out.take()
        return published[-1]["position"]

    def lagging(self, topic: str, connection_id: str = "ann=", tenant: str = "acme") -> str | None:
        """Return the position since which a connection is to catch up."""
        name = f"{tenant}/{topic}", shard_of(connection_id)
        behind = self.topics.behind.get(name, {}).get(connection_id)
        return None if behind is None else str(behind.position)

    def subscribed(self, connection_id: str = "ann=") -> set[str]:
        """Return the names of the topics that a connection is subscribed to."""
        return {topic.storage for topic in self.subscriptions.topics_of(connection_id)}
