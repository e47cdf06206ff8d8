"""What the service does for one topic, as far as clients see it; frames wait until the test delivers them."""

from __future__ import annotations

from dataclasses import dataclass, field

from pushaside.protocol.positions import Position, parse_position
from pushaside.protocol.topic_questions import ChannelSubject, LiveSubject, Subject
from pushaside.session.feeds import Feed, Update
from pushaside.settings import Settings
from tests.unit.client.driver import Driver, seeded

CHANNEL, LIVE = "prices:eur", "leaderboard@1:ab12"


@dataclass
class TopicService:
    """A topic with a history of so many messages, and a client that subscribes to it."""

    is_live: bool = False
    window: int = 12
    seed: int = 0
    settings: Settings = field(default_factory=lambda: Settings(max_queued_updates=6))

    def __post_init__(self) -> None:
        self.driver = Driver(self.settings, random=seeded(self.seed))
        self.topic = LIVE if self.is_live else CHANNEL
        self.epoch = 0
        self.messages: list[int] = []
        self.published = 0
        self.subscribers: set[int] = set()
        self.flight: list[tuple[int, dict]] = []
        self.read = 0
        self.taken: list[Update] = []
        self.feed = self.subscribe()

    def subscribe(self, since: Position | None = None) -> Feed:
        subject: Subject = LiveSubject("leaderboard", b"{}") if self.is_live else ChannelSubject(CHANNEL)
        feed = self.driver.session.subscribe(subject, since, self.driver.now)
        self.driver._carry_out()
        return feed

    @property
    def head(self) -> str:
        return f"e{self.epoch}:{len(self.messages)}"

    # What happens at the service

    def publish(self) -> None:
        self.published += 1
        self.messages.append(self.published)
        self.flight += [(link, self.update(len(self.messages))) for link in sorted(self.subscribers)]

    def flush(self) -> None:
        """Lose Redis."""
        self.epoch += 1
        self.messages.clear()

    def update(self, offset: int) -> dict:
        position = f"e{self.epoch}:{offset}"
        return {"type": "update", "topic": self.topic, "position": position, **self.value(offset)}

    def value(self, offset: int) -> dict:
        data = self.messages[offset - 1] if offset else None
        return {"data": data, "etag": f"etag{data}"} if self.is_live else {"data": data}

    def work(self) -> None:
        """Do what the client has sent."""
        sent = self.driver.sent[self.read :]
        self.read += len(sent)
        for link, message in sent:
            if message["action"] == "subscribe":
                self.answer(link, message)

    def answer(self, link: int, message: dict) -> None:
        self.subscribers.add(link)
        answer = {"type": "subscribed", "id": message["id"], "topic": self.topic}
        since = parse_position(message["since"]) if "since" in message else None
        if self.is_live:
            recovered = since is None or since.epoch == f"e{self.epoch}"
            value = self.value(len(self.messages)) if self.messages else {}
            self.flight.append((link, {**answer, "position": self.head, "recovered": recovered, **value}))
        elif since is None:
            self.flight.append((link, {**answer, "position": self.head, "recovered": True}))
        elif self.has_all_since(since):
            self.flight.append((link, {**answer, "position": str(since), "recovered": True}))
            self.flight += [(link, self.update(each)) for each in range(since.offset + 1, len(self.messages) + 1)]
        else:
            value = self.value(len(self.messages))
            self.flight.append((link, {**answer, "position": self.head, "recovered": False, **value}))

    def has_all_since(self, since: Position) -> bool:
        oldest = max(0, len(self.messages) - self.window)
        return since.epoch == f"e{self.epoch}" and oldest <= since.offset <= len(self.messages)

    # What happens on the way

    def deliver(self, index: int = 0) -> None:
        if self.flight:
            link, fields = self.flight.pop(index % len(self.flight))
            self.driver.receive(link, **fields)

    def duplicate(self, index: int) -> None:
        if self.flight:
            self.flight.append(self.flight[index % len(self.flight)])

    def drop(self, index: int) -> None:
        if self.flight:
            self.flight.pop(index % len(self.flight))

    def open(self) -> None:
        if self.driver.connecting:
            self.driver.open()

    def lose(self, index: int) -> None:
        if self.driver.links:
            link = self.driver.links[index % len(self.driver.links)]
            self.subscribers.discard(link)
            self.driver.lose(link)

    def take(self, count: int = 1) -> None:
        for _ in range(count):
            if (update := self.driver.session.take_update(self.feed.id, self.driver.now)) is not None:
                self.taken.append(update)
        self.driver._carry_out()

    def flow(self) -> None:
        """Let everything work for a while, in order."""
        for _ in range(30):
            self.open()
            self.work()
            while self.flight:
                self.deliver()
            self.take(100)
            self.driver.advance(2.0)
