"""In-memory stand-ins for the cache's ports, held to the same contract suite as the real adapters."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from push.cache.jobs import NO_DEADLINE_MS, Outgoing, Waiter, live_waiter
from push.cache.ports import Busy, Claimed, Filled, FillOutcome, Parked, ParkOutcome, Renewed, TagVersion
from push.computes import Tenant
from push.errors import (
    CacheUnavailableError,
    QueueUnavailableError,
)
from push.keys import Key
from push.results import Result, serialize_header
from push.tags import ALL_SCOPES, TagScope, scope_of
from tests.fakes.clock import no_delay

QUEUED_LEASE_MS = 60_000


@dataclass(slots=True)
class Lease:
    token: str
    ends_at_ms: int


@dataclass(slots=True)
class Entry:
    """Everything that is kept of one key."""

    result: Result | None = None
    kept_until_ms: int = 0
    lease: Lease | None = None
    waiters: dict[Waiter, int] = field(default_factory=dict)
    generation: int = 0
    rests_until_ms: int = 0
    watched_until_ms: int = 0
    looked_at_until_ms: int = 0
    links: str = ""
    linked_until_ms: int = 0


class CacheModel:
    """What Redis holds; `is_down` has every operation fail."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self.is_down = False
        self.entries: defaultdict[str, Entry] = defaultdict(Entry)
        self.tag_versions: defaultdict[tuple[TagScope, str], int] = defaultdict(int)
        self.tagged: defaultdict[tuple[Tenant | None, str], dict[Key, int]] = defaultdict(dict)
        self.enlistings = itertools.count(1)
        self.accepted: dict[str, str] = {}
        self.has_topic: Callable[[Key], bool] = lambda _key: False

    def entry(self, key: Key) -> Entry:
        """Return a key's entry with what has expired taken out."""
        if self.is_down:
            raise CacheUnavailableError("Redis is down.")
        entry = self.entries[key.storage]
        if entry.result is not None and entry.kept_until_ms <= self.now_ms():
            entry.result = None
        if entry.lease is not None and entry.lease.ends_at_ms <= self.now_ms():
            entry.lease = None
        return entry

    def flush(self) -> None:
        self.entries.clear()
        self.tag_versions.clear()
        self.tagged.clear()
        self.accepted.clear()

    def raise_tag(self, scope: TagScope, tag: str) -> None:
        self.tag_versions[scope, tag] = max(self.now_ms(), self.tag_versions[scope, tag] + 1)

    def tag_version(self, tenant: Tenant | None, tag: str) -> TagVersion:
        versions = [self.tag_versions[scope, tag] for scope in (scope_of(tag, tenant), ALL_SCOPES)]
        return TagVersion(sum(versions), max(0, self.now_ms() - max(versions)))

    def invalidate(self, key: Key) -> None:
        entry = self.entry(key)
        entry.generation += 1
        if entry.result is not None:
            entry.result = replace(entry.result, is_invalidated=True)

    def lease_token(self, key: Key) -> str | None:
        lease = self.entry(key).lease
        return None if lease is None else lease.token


class FakeResults:
    """`ResultStore` on the model."""

    def __init__(self, model: CacheModel) -> None:
        self._model = model

    def read(self, key: Key) -> Result | None:
        return self._model.entry(key).result

    def is_unchanged(self, key: Key, seen: Result) -> bool:
        return _header(self._model.entry(key).result) == _header(seen)

    def park(
        self,
        key: Key,
        seen: Result | None,
        waiter: Waiter | None,
        deadline_ms: int,
        token: str,
        *,
        only_to_lead: bool = False,
    ) -> Parked:
        entry, now_ms = self._model.entry(key), self._model.now_ms()
        if _header(entry.result) != _header(seen):
            return Parked(ParkOutcome.CHANGED, entry.result)
        can_do_without = waiter is None or only_to_lead
        if entry.lease is None and not (can_do_without and entry.rests_until_ms > now_ms):
            entry.lease = Lease(token, now_ms + QUEUED_LEASE_MS)
        leads = entry.lease is not None and entry.lease.token == token
        if waiter is not None and (leads or not only_to_lead):
            entry.waiters[waiter] = deadline_ms
        if leads:
            return Parked(ParkOutcome.LEADER)
        requests = [other for other in entry.waiters if not other.is_live]
        is_first = waiter is not None and not only_to_lead and len(requests) == 1
        return Parked(ParkOutcome.FIRST_FOLLOWER if is_first else ParkOutcome.FOLLOWER)

    def unpark(self, key: Key, waiter: Waiter | None, token: str) -> None:
        entry = self._model.entry(key)
        if entry.lease is not None and entry.lease.token == token:
            entry.lease = None
        if waiter is not None:
            entry.waiters.pop(waiter, None)


def _header(result: Result | None) -> bytes:
    return b"" if result is None else serialize_header(result)


class FakeLeases:
    """`Leases` on the model; `delay` is awaited before and after each operation, where a worker may die."""

    def __init__(self, model: CacheModel, delay: Callable[[], Awaitable[None]] = no_delay) -> None:
        self._model = model
        self._delay = delay
        self._numbers = itertools.count(1)
        self.fills: list[tuple[Key, Result, FillOutcome]] = []

    async def claim(self, key: Key, queued_token: str, term_ms: int, waiters: Mapping[Waiter, int]) -> Claimed | Busy:
        await self._delay()
        entry = self._model.entry(key)
        entry.waiters = {**waiters, **entry.waiters}
        now_ms = self._model.now_ms()
        if entry.lease is not None and entry.lease.token != queued_token:
            busy = Busy(entry.watched_until_ms > now_ms)
            await self._delay()
            return busy
        token = f"working {next(self._numbers)} of {id(self)}"
        entry.lease = Lease(token, now_ms + term_ms)
        claimed = Claimed(token, str(entry.generation), entry.result, len(entry.waiters), _earliest(entry.waiters))
        await self._delay()
        return claimed

    async def renew(self, key: Key, token: str, term_ms: int, now_ms: int) -> Renewed:
        await self._delay()
        entry = self._model.entry(key)
        is_held = entry.lease is not None and entry.lease.token == token
        if entry.lease is not None and is_held:
            entry.lease.ends_at_ms = self._model.now_ms() + term_ms
        expired = tuple(waiter for waiter, deadline_ms in entry.waiters.items() if deadline_ms <= now_ms)
        left = {waiter: deadline_ms for waiter, deadline_ms in entry.waiters.items() if deadline_ms > now_ms}
        renewed = Renewed(is_held, _earliest(left), expired)
        await self._delay()
        return renewed

    async def fill(self, key: Key, claimed: Claimed, result: Result, term_ms: int, now_ms: int) -> Filled:
        await self._delay()
        entry = self._model.entry(key)
        filled = self._fill(entry, claimed, result, term_ms, now_ms)
        if filled.outcome is FillOutcome.FILLED and self._model.has_topic(key):
            entry.waiters.setdefault(live_waiter(), NO_DEADLINE_MS)
            filled = Filled(filled.outcome, tuple(entry.waiters))
        self.fills.append((key, result, filled.outcome))
        await self._delay()
        return filled

    def _fill(self, entry: Entry, claimed: Claimed, result: Result, term_ms: int, now_ms: int) -> Filled:
        if entry.lease is not None and entry.lease.token != claimed.token:
            return Filled(FillOutcome.LOST_LEASE, ())
        if entry.lease is None:
            return Filled(FillOutcome.LOST_LEASE, tuple(entry.waiters))
        entry.lease.ends_at_ms = self._model.now_ms() + term_ms
        stored_version = 0 if entry.result is None else entry.result.source_version
        if str(entry.generation) != claimed.generation:
            return Filled(FillOutcome.OUTDATED, tuple(entry.waiters))
        if stored_version > result.source_version:
            return Filled(FillOutcome.SUPERSEDED, tuple(entry.waiters))
        entry.result = result
        entry.kept_until_ms = self._model.now_ms() + max(1000, result.stale_until_ms - now_ms)
        return Filled(FillOutcome.FILLED, tuple(entry.waiters))

    async def read_generation(self, key: Key) -> str:
        await self._delay()
        return str(self._model.entry(key).generation)

    async def is_looked_at(self, key: Key) -> bool:
        await self._delay()
        return self._model.entry(key).looked_at_until_ms > self._model.now_ms()

    async def note_look(self, key: Key, look_ms: int) -> None:
        await self._delay()
        self._model.entry(key).looked_at_until_ms = self._model.now_ms() + look_ms
        await self._delay()

    async def watch(self, key: Key, watch_ms: int) -> None:
        await self._delay()
        self._model.entry(key).watched_until_ms = self._model.now_ms() + watch_ms
        await self._delay()

    async def rest(self, key: Key, rest_ms: int) -> None:
        await self._delay()
        self._model.entry(key).rests_until_ms = self._model.now_ms() + rest_ms

    async def waiters(self, key: Key) -> tuple[Waiter, ...]:
        await self._delay()
        waiters = tuple(self._model.entry(key).waiters)
        await self._delay()
        return waiters

    async def settle(self, key: Key, waiters: Sequence[Waiter]) -> None:
        await self._delay()
        entry = self._model.entry(key)
        for waiter in waiters:
            entry.waiters.pop(waiter, None)
        await self._delay()

    async def release(self, key: Key, token: str, queue_token: str) -> int:
        await self._delay()
        entry = self._model.entry(key)
        waiting = len(entry.waiters)
        held = None if entry.lease is None else entry.lease.token
        if held == token:
            entry.lease = Lease(queue_token, self._model.now_ms() + QUEUED_LEASE_MS) if waiting else None
        await self._delay()
        return waiting if held in (token, queue_token) else -1

    async def unqueue(self, key: Key, token: str) -> None:
        await self._delay()
        entry = self._model.entry(key)
        if entry.lease is not None and entry.lease.token == token:
            entry.lease = None
        await self._delay()


class FakeTags:
    """`TagIndex` on the model; a worker may die where `delay` is awaited."""

    def __init__(self, model: CacheModel, delay: Callable[[], Awaitable[None]] = no_delay) -> None:
        self._model = model
        self._delay = delay

    async def read_versions(self, tenant: Tenant | None, tags: Sequence[str]) -> tuple[TagVersion, ...]:
        await self._delay()
        self._check()
        versions = self._versions(tenant, tags)
        await self._delay()
        return versions

    async def enlist(self, key: Key, tags: Sequence[str], keep_ms: int) -> tuple[TagVersion, ...]:
        await self._delay()
        self._check()
        for tag in tags:
            self._model.tagged[scope_of(tag, key.tenant), tag][key] = next(self._model.enlistings)
        versions = self._versions(key.tenant, tags)
        await self._delay()
        return versions

    async def invalidate(self, scope: TagScope, tags: Sequence[str]) -> int:
        await self._delay()
        self._check()
        for tag in tags:
            self._model.raise_tag(scope if scope is ALL_SCOPES else scope_of(tag, scope), tag)
        await self._delay()
        found = [
            (index, key, enlisting)
            for (tenant, tag), index in self._model.tagged.items()
            if tag in tags and (scope is ALL_SCOPES or scope_of(tag, scope) == tenant)
            for key, enlisting in index.items()
        ]
        for key in (keys := {key for _, key, _ in found}):
            self._model.invalidate(key)
            await self._delay()
        for index, key, enlisting in found:
            if index.get(key) == enlisting:
                del index[key]
        await self._delay()
        return len(keys)

    def _versions(self, tenant: Tenant | None, tags: Sequence[str]) -> tuple[TagVersion, ...]:
        return tuple(self._model.tag_version(tenant, tag) for tag in tags)

    def _check(self) -> None:
        if self._model.is_down:
            raise CacheUnavailableError("Redis is down.")


def _earliest(waiters: Mapping[Waiter, int]) -> int:
    return min(waiters.values(), default=0)


class FakeJobs:
    """`JobSender` into a list."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.is_down = False

    def send(self, jobs: Sequence[Outgoing]) -> None:
        if self.is_down:
            raise QueueUnavailableError("SQS is down.")
        self.sent += jobs
