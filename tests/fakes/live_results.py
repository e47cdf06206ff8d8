"""Stand-ins for what live results need: a key's history, appended to under its lease, and the fan-out queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence

from push.errors import QueueUnavailableError
from push.keys import Key
from push.topics.fan_out_jobs import FanOutJob, Farewell
from push.topics.histories import NewMessage
from push.topics.live_results import ChangePhase
from push.topics.positions import Position
from push.topics.subscriptions import LINKED_SECONDS, LinkMark, LiveResult
from push.topics.topics import live_topic
from tests.fakes.cache import CacheModel
from tests.fakes.clock import no_delay
from tests.fakes.topics import SyncFakeHistory, TopicModel

HISTORY_SIZE = 2
HISTORY_SECONDS = 3600


class FakeLiveHistories:
    """`LiveHistories` on the models of what one Redis holds; who wants may look at all that was ever appended."""

    def __init__(self, model: CacheModel, topics: TopicModel, delay: Callable[[], Awaitable[None]] = no_delay) -> None:
        self._model = model
        self._topics = topics
        self._delay = delay
        model.has_topic = lambda key: topics.find(live_topic(key)) is not None
        self.appended: list[tuple[Key, Position, NewMessage]] = []

    async def append(self, key: Key, token: str, message: NewMessage, *, only_changed: bool = True) -> bool:
        await self._delay()
        is_held = self._model.lease_token(key) == token
        if is_held:
            (appended,) = SyncFakeHistory(self._topics).append(
                live_topic(key), [message], size=HISTORY_SIZE, seconds=HISTORY_SECONDS, only_changed=only_changed
            )
            if appended.is_new:
                self.appended.append((key, appended.position, message))
        await self._delay()
        return is_held


class FakeLiveLinks:
    """`LiveLinks` by tag."""

    def __init__(self) -> None:
        self.by_tag: dict[str, dict[Key, LiveResult]] = {}
        self.writes = 0
        self.on_add: Callable[[], None] = lambda: None

    async def add(self, tags: Collection[str], live: LiveResult) -> None:
        self.on_add()
        self.writes += 1
        for tag in tags:
            self.by_tag.setdefault(tag, {})[live.key] = live


class FakeLinkMarks:
    """`LinkMarks` on the model of what one Redis holds; `on_read` and `on_forget` are called before."""

    def __init__(self, model: CacheModel, delay: Callable[[], Awaitable[None]] = no_delay) -> None:
        self._model = model
        self._delay = delay
        self.on_read: Callable[[], None] = lambda: None
        self.on_forget: Callable[[], None] = lambda: None

    async def read(self, key: Key) -> LinkMark:
        await self._delay()
        self.on_read()
        entry = self._model.entry(key)
        is_there = entry.linked_until_ms > self._model.now_ms()
        return LinkMark(entry.links if is_there else "", str(entry.generation))

    async def begin(self, key: Key, token: str) -> None:
        await self._delay()
        entry = self._model.entry(key)
        entry.links, entry.linked_until_ms = token, self._model.now_ms() + LINKED_SECONDS * 1000
        await self._delay()

    async def confirm(self, key: Key, token: str, digest: str) -> None:
        await self._delay()
        entry = self._model.entry(key)
        if entry.links == token:
            entry.links = digest
        await self._delay()

    async def forget(self, key: Key) -> None:
        await self._delay()
        self.on_forget()
        self._model.entry(key).links = ""
        await self._delay()


class FakeFanOutJobSender:
    """`FanOutJobSender` into a list; farewells, which every first subscription sends, into another."""

    def __init__(self) -> None:
        self.farewells: list[Farewell] = []
        self.sent: list[tuple[FanOutJob, int]] = []
        self.is_down = False

    def send(self, jobs: Sequence[FanOutJob], delay_seconds: int = 0) -> None:
        if self.is_down:
            raise QueueUnavailableError("SQS is down.")
        self.farewells += [job for job in jobs if isinstance(job, Farewell)]
        self.sent += [(job, delay_seconds) for job in jobs if not isinstance(job, Farewell)]

    def take(self) -> list[FanOutJob]:
        """Return what was sent, and forget it."""
        taken, self.sent = self.sent, []
        return [job for job, _ in taken]


class FakeRecentChanges:
    """`RecentChanges` in the Redis of a model."""

    def __init__(self, model: CacheModel) -> None:
        self._model = model
        self._noted: dict[Key, tuple[ChangePhase, int]] = {}

    async def phase(self, key: Key) -> ChangePhase:
        self._model.entry(key)
        phase, until_ms = self._noted.get(key, (ChangePhase.NONE, 0))
        return phase if until_ms > self._model.now_ms() else ChangePhase.NONE

    async def note(self, key: Key, phase: ChangePhase, milliseconds: int) -> None:
        self._model.entry(key)
        self._noted[key] = phase, self._model.now_ms() + milliseconds

    def flush(self) -> None:
        self._noted.clear()
