"""In-memory stand-ins for what Redis keeps of topics, held to the same contract suite as the real adapters.

`TopicModel` is what Redis holds; the fakes are views of one model. A worker may die where `delay` is awaited.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from push.errors import CacheUnavailableError
from push.topics.histories import Appended, Behind, History, Message, NewMessage, Round, ShardBusy
from push.topics.positions import Position
from push.topics.topics import Topic
from tests.fakes.clock import no_delay

NOWHERE = Position("", 0)
ID_KEPT_MS = 600_000


@dataclass(slots=True)
class Shard:
    """How far a shard of an epoch's subscribers has been pushed, and what the latest round went up to."""

    cursor: int = 0
    target: int = 0


@dataclass(slots=True)
class StoredTopic:
    """Everything that goes with an epoch."""

    epoch: str
    head: int = 0
    etag: str = ""
    messages: list[Message] = field(default_factory=list)
    seconds: int = 0
    shards: dict[int, Shard] = field(default_factory=dict)
    remembered: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Offset, and until when (ms), by the message's id."""

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.head)

    def following(self, after: int, limit: int) -> History:
        """What comes after an offset, or the latest message if something is missing."""
        if after == self.head:
            return History((), is_complete=True, head=self.position)
        found = [message for message in self.messages if message.position.offset > after][:limit]
        if found and found[0].position.offset == after + 1:
            return History(tuple(found), is_complete=True, head=self.position)
        return History(tuple(self.messages[-1:]), is_complete=False, head=self.position)


class TopicModel:
    """What Redis holds of topics; `is_down` has every operation fail."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self.is_down = False
        self.topics: dict[str, StoredTopic] = {}
        self.leases: dict[tuple[str, int], tuple[str, int]] = {}
        self.behind: dict[tuple[str, int], dict[str, Behind]] = {}
        self._epochs = itertools.count(1)
        self._marks = itertools.count(1)

    def flush(self) -> None:
        """Forget everything, as a Redis that was lost has."""
        for kept in (self.topics, self.leases, self.behind):
            kept.clear()

    def find(self, topic: Topic) -> StoredTopic | None:
        """What is kept of a topic, without what is too old."""
        if self.is_down:
            raise CacheUnavailableError("Redis is down.")
        stored = self.topics.get(topic.storage)
        if stored is not None:
            oldest_ms = self.now_ms() - stored.seconds * 1000
            stored.messages = [message for message in stored.messages if message.published_at_ms > oldest_ms]
        return stored

    def open(self, topic: Topic) -> StoredTopic:
        """The same, begun if there is nothing."""
        stored = self.find(topic)
        if stored is None:
            stored = self.topics[topic.storage] = StoredTopic(f"epoch-{next(self._epochs)}")
        return stored

    def forget_latest(self, topic: Topic, count: int) -> None:
        """Lose the latest messages, as a failover may."""
        stored = self.topics[topic.storage]
        stored.head -= count
        del stored.messages[len(stored.messages) - count :]

    def lease_is_held(self, topic: Topic, shard: int, token: str) -> bool:
        """Say whether nobody else has a lease."""
        holder, ends_at_ms = self.leases.get((topic.storage, shard), (token, 0))
        return holder == token or ends_at_ms <= self.now_ms()

    def lagging(self, topic: Topic, shard: int) -> dict[str, Behind]:
        """Who lags, to be changed."""
        return self.behind.setdefault((topic.storage, shard), {})

    def note(self, position: Position, mark: str = "") -> Behind:
        """Say how far somebody is now, on another occasion if on none in particular."""
        return Behind(position, mark or f"mark{next(self._marks)}", self.now_ms())


class SyncFakeHistory:
    """`SyncTopicHistories` on the model."""

    def __init__(self, model: TopicModel) -> None:
        self._model = model

    def append(
        self, topic: Topic, messages: Sequence[NewMessage], *, size: int, seconds: int, only_changed: bool = False
    ) -> tuple[Appended, ...]:
        stored = self._model.open(topic)
        stored.seconds = seconds
        appended = tuple(self._append(stored, message, only_changed=only_changed) for message in messages)
        if any(each.is_new for each in appended):
            stored.messages = stored.messages[-size:]
        return appended

    def _append(self, stored: StoredTopic, message: NewMessage, *, only_changed: bool) -> Appended:
        now_ms = self._model.now_ms()
        offset, kept_until_ms = stored.remembered.get(message.id, (0, 0))
        if kept_until_ms > now_ms:
            return Appended(Position(stored.epoch, offset), is_new=False)
        is_new = not (only_changed and message.etag and message.etag == stored.etag)
        if is_new:
            stored.head += 1
            stored.etag = message.etag
            stored.messages.append(Message(stored.position, message.data, now_ms, message.id, message.etag))
        if message.id:
            stored.remembered[message.id] = (stored.head, now_ms + ID_KEPT_MS)
        return Appended(stored.position, is_new)

    def read(self, topic: Topic, after: Position, limit: int) -> History:
        stored = self._model.open(topic)
        return stored.following(after.offset if after.epoch == stored.epoch else -1, limit)

    def read_latest(self, topic: Topic, limit: int) -> History:
        stored = self._model.open(topic)
        return History(
            tuple(stored.messages[max(0, len(stored.messages) - limit) :]), is_complete=True, head=stored.position
        )

    def head(self, topic: Topic) -> Position:
        return self._model.open(topic).position


class FakeHistory:
    """`TopicHistories` on the model."""

    def __init__(self, model: TopicModel, delay: Callable[[], Awaitable[None]] = no_delay) -> None:
        self._sync = SyncFakeHistory(model)
        self._delay = delay

    async def read(self, topic: Topic, after: Position, limit: int) -> History:
        await self._delay()
        history = self._sync.read(topic, after, limit)
        await self._delay()
        return history


class FakeLagging:
    """`SyncLagging` on the model."""

    def __init__(self, model: TopicModel) -> None:
        self._model = model

    def lag(self, topic: Topic, shard: int, connection_id: str, after: Position) -> str:
        self._model.find(topic)
        behind = self._model.lagging(topic, shard)[connection_id] = self._model.note(after)
        return behind.mark

    def catch_up(self, topic: Topic, shard: int, connection_id: str, mark: str, reached: Position) -> Behind | None:
        stored, lagging = self._model.find(topic), self._model.lagging(topic, shard)
        noted = lagging.get(connection_id)
        if noted is None or noted.mark != mark:
            return noted
        if stored is not None and stored.epoch == reached.epoch:
            state = stored.shards.get(shard, Shard())
            if reached.offset > stored.head:
                del self._model.topics[topic.storage]
            elif reached.offset >= max(state.cursor, state.target):
                del lagging[connection_id]
                return None
        lagging[connection_id] = self._model.note(reached, mark)
        return lagging[connection_id]

    def forget(self, topic: Topic, shard: int, connection_ids: Sequence[str]) -> None:
        self._model.find(topic)
        for connection_id in connection_ids:
            self._model.lagging(topic, shard).pop(connection_id, None)


class FakeShardProgress:
    """`ShardProgress` on the model."""

    def __init__(self, model: TopicModel, delay: Callable[[], Awaitable[None]] = no_delay) -> None:
        self._model = model
        self._sync = FakeLagging(model)
        self._delay = delay

    async def begin(self, topic: Topic, shard: int, token: str, term_ms: int, limit: int) -> Round | ShardBusy:
        return await self.advance(topic, shard, token, NOWHERE, {}, term_ms, limit)

    async def advance(
        self,
        topic: Topic,
        shard: int,
        token: str,
        pushed: Position,
        lagging: Mapping[str, Position],
        term_ms: int,
        limit: int,
    ) -> Round | ShardBusy:
        await self._delay()
        next_round = self._advance(topic, shard, token, pushed, lagging, term_ms, limit)
        await self._delay()
        return next_round

    def _advance(
        self,
        topic: Topic,
        shard: int,
        token: str,
        pushed: Position,
        lagging: Mapping[str, Position],
        term_ms: int,
        limit: int,
    ) -> Round | ShardBusy:
        stored = self._model.find(topic)
        if not self._model.lease_is_held(topic, shard, token):
            return ShardBusy(self._model.leases[topic.storage, shard][1] - self._model.now_ms())
        for connection_id, after in lagging.items():
            self._model.lagging(topic, shard).setdefault(connection_id, self._model.note(after))
        self._model.leases.pop((topic.storage, shard), None)
        if stored is not None and pushed.epoch == stored.epoch and pushed.offset > stored.head:
            del self._model.topics[topic.storage]
            stored = None
        if stored is None:
            return Round(NOWHERE, History((), is_complete=True, head=NOWHERE))
        state = stored.shards.setdefault(shard, Shard())
        if pushed.epoch == stored.epoch:
            state.cursor = max(state.cursor, min(pushed.offset, state.target))
        history = stored.following(state.cursor, limit)
        if state.cursor < stored.head:
            state.target = max(state.target, history.end.offset)
            self._model.leases[topic.storage, shard] = (token, self._model.now_ms() + term_ms)
        return Round(Position(stored.epoch, state.cursor), history)

    async def renew(self, topic: Topic, shard: int, token: str, term_ms: int) -> bool:
        await self._delay()
        self._model.find(topic)
        is_held = self._model.lease_is_held(topic, shard, token)
        if is_held:
            self._model.leases[topic.storage, shard] = (token, self._model.now_ms() + term_ms)
        await self._delay()
        return is_held

    async def release(self, topic: Topic, shard: int, token: str) -> None:
        await self._delay()
        self._model.find(topic)
        if self._model.lease_is_held(topic, shard, token):
            self._model.leases.pop((topic.storage, shard), None)
        await self._delay()

    async def lagging(self, topic: Topic, shard: int) -> Mapping[str, Behind]:
        await self._delay()
        self._model.find(topic)
        lagging = dict(self._model.lagging(topic, shard))
        await self._delay()
        return lagging

    async def behind(self, topic: Topic, shard: int, connection_id: str) -> Behind | None:
        return (await self.lagging(topic, shard)).get(connection_id)

    async def catch_up(
        self, topic: Topic, shard: int, connection_id: str, mark: str, reached: Position
    ) -> Behind | None:
        await self._delay()
        behind = self._sync.catch_up(topic, shard, connection_id, mark, reached)
        await self._delay()
        return behind

    async def forget(self, topic: Topic, shard: int, connection_ids: Sequence[str]) -> None:
        await self._delay()
        self._sync.forget(topic, shard, connection_ids)
        await self._delay()
