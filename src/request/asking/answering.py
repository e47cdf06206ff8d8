"""Where a request's answer comes from: memory, Redis, or a compute on whose key the request is parked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from push.cache.freshness import Freshness, is_due_early, judge
from push.cache.jobs import Job, JobKind, Outgoing, Waiter, with_guardian
from push.cache.memory import MemoryCache, Remembered
from push.cache.ports import JobSender, ParkOutcome, ResultStore
from push.callers import Caller
from push.computes import Registry, Tenant
from push.errors import CacheUnavailableError, QueueUnavailableError, TransientError
from push.keys import Key
from push.metrics import Counter, Metric
from push.protocol.frames import CacheState
from push.protocol.large_answers import parse_accept
from push.protocol.messages import Request
from push.results import Result
from request.asking.looking_up import Found, Lookup

_PARK_TRIES = 3
_ANY_AGE_SECONDS = 10**9


class _Question(msgspec.Struct, frozen=True):
    """A checked request: what is asked, by whom, and what would do as an answer."""

    request: Request
    caller: Caller
    key: Key
    asked_at_ms: int

    @property
    def max_age_ms(self) -> int | None:
        max_age = self.request.max_age
        return None if max_age is None else int(min(max_age, _ANY_AGE_SECONDS) * 1000)

    @property
    def deadline_ms(self) -> int:
        return self.asked_at_ms + self.request.deadline_ms

    @property
    def subject(self) -> tuple[Tenant, str, msgspec.Raw]:
        return self.caller.tenant, self.request.compute, self.request.params

    @property
    def waiter(self) -> Waiter:
        newer_than_ms = 0 if self.max_age_ms is None else self.asked_at_ms - self.max_age_ms
        accept = parse_accept(self.request.accept)
        # Without a connection it is a durable request, which is answered in its record.
        tenant = "" if self.caller.connection_id else self.caller.tenant
        return Waiter(self.caller.connection_id, self.request.id, max(0, newer_than_ms), accept, tenant)

    def judge(self, result: Result) -> Freshness:
        return judge(result, self.asked_at_ms, self.max_age_ms)


class Answer(msgspec.Struct, frozen=True):
    """What is to be answered at once: a value, or a remembered failure."""

    key: Key
    remembered: Remembered
    state: CacheState
    asked_at_ms: int

    @property
    def result(self) -> Result:
        """The value or failure."""
        return self.remembered.result


@dataclass(frozen=True, slots=True)
class Accepted:
    """The request is parked: it will end in exactly one result or error."""


_ACCEPTED = Accepted()


class Answerer:
    """Finds answers for one execution environment, and has computed what is not there.

    Args:
        registry: the computes on offer.
        store: the second tier, shared by all environments.
        memory: the first tier, this environment's own.
        jobs: the compute queue.
        counter: where hits and misses are counted.
        now_ms: the clock, in milliseconds since 1970.
        new_token: makes fencing tokens, each unique.
        random: in [0, 1), spreads early refreshes.
        trust_ms: how long a result in memory is answered without asking Redis whether it is still the same.

    """

    def __init__(
        self,
        *,
        registry: Registry,
        store: ResultStore,
        memory: MemoryCache,
        jobs: JobSender,
        counter: Counter,
        now_ms: Callable[[], int],
        new_token: Callable[[], str],
        random: Callable[[], float],
        trust_ms: int,
    ) -> None:
        self._lookup = Lookup(registry=registry, store=store, memory=memory, counter=counter, trust_ms=trust_ms)
        self._store = store
        self._jobs = jobs
        self._counter = counter
        self._now_ms = now_ms
        self._new_token = new_token
        self._random = random

    def answer(self, request: Request, caller: Caller) -> Answer | Accepted:
        """Return what answers a request now, or park it.

        Raises:
            RequestError: the compute is unknown or the params do not fit.
            TransientError: the request could not be accepted; nothing of it is left behind.

        """
        key = self._lookup.identify(caller.tenant, request.compute, bytes(request.params))
        question = _Question(request, caller, key, self._now_ms())
        found = self._lookup.find(key, question.asked_at_ms)
        if found is None:
            return self._wait(question, None)
        return self._answer_from(question, found) or self._wait(question, found.remembered.seen)

    def encode(self, answer: Answer) -> str:
        """Return an answer's data as `encode_data` does, once for as long as they are remembered."""
        return self._lookup.encode(answer.key, answer.remembered)

    def _answer_from(self, question: _Question, found: Found) -> Answer | Accepted | None:
        """Answer from a result, if it will do."""
        result, is_lost = found.remembered.result, found.remembered.is_lost
        freshness = question.judge(result)
        if freshness is Freshness.UNUSABLE:
            return None
        if freshness is Freshness.FRESH and not is_lost:
            self._counter.count(Metric.CACHE_HIT, dimension=found.tier)
            if is_due_early(result, question.asked_at_ms, self._random()):
                self._refresh(question, found.remembered)
            return Answer(question.key, found.remembered, CacheState.HIT, question.asked_at_ms)
        if result.is_invalidated or is_lost:
            return self._lead(question, found.remembered) or self._answer_stale(question, found.remembered)
        self._refresh(question, found.remembered)
        return self._answer_stale(question, found.remembered)

    def _answer_stale(self, question: _Question, remembered: Remembered) -> Answer:
        self._counter.count(Metric.CACHE_STALE)
        return Answer(question.key, remembered, CacheState.STALE, question.asked_at_ms)

    def _lead(self, question: _Question, remembered: Remembered) -> Answer | Accepted | None:
        """Wait for a result that changed or was lost, if nobody has it computed yet; else the old one will do."""
        if not self._lookup.may_refresh(remembered, question.asked_at_ms):
            return None
        waiter, token = question.waiter, self._new_token()
        try:
            parked = self._store.park(
                question.key, remembered.seen, waiter, question.deadline_ms, token, only_to_lead=True
            )
            if parked.outcome is ParkOutcome.LEADER:
                self._counter.count(Metric.CACHE_MISS)
                return self._accept(question, waiter, token)
        except TransientError:
            self._counter.count(Metric.CACHE_UNAVAILABLE)
            return None
        if parked.outcome is not ParkOutcome.CHANGED:
            return None
        changed = self._lookup.remember(question.key, parked.result, question.asked_at_ms)
        return self._answer_from(question, changed) if changed else None

    def _refresh(self, question: _Question, remembered: Remembered) -> None:
        """Have a result computed anew, once; failing that, a later request tries again."""
        if not self._lookup.may_refresh(remembered, question.asked_at_ms):
            return
        token = self._new_token()
        try:
            parked = self._store.park(question.key, remembered.result, None, 0, token)
            if parked.outcome is ParkOutcome.LEADER:
                newer_than_ms = remembered.result.computed_at_ms + 1
                job = Job(JobKind.REFRESH, *question.subject, token, newer_than_ms=newer_than_ms)
                self._send(question, job, Outgoing(job))
                self._counter.count(Metric.REFRESH)
            elif parked.outcome is ParkOutcome.CHANGED:
                self._lookup.remember(question.key, parked.result, question.asked_at_ms)
        except TransientError:
            self._counter.count(Metric.CACHE_UNAVAILABLE)

    def _wait(self, question: _Question, seen: Result | None) -> Answer | Accepted:
        """Park the request until its key is filled; answer at once if that has just happened."""
        self._counter.count(Metric.CACHE_MISS)
        waiter = question.waiter
        token = self._new_token()
        for _ in range(_PARK_TRIES):
            try:
                parked = self._store.park(question.key, seen, waiter, question.deadline_ms, token)
            except CacheUnavailableError:
                return self._accept(question, waiter, token)
            if parked.outcome is ParkOutcome.FOLLOWER:
                self._counter.count(Metric.COALESCED)
                return _ACCEPTED
            if parked.outcome is ParkOutcome.FIRST_FOLLOWER:
                self._counter.count(Metric.COALESCED)
                return self._accept(question, waiter, token, leads=False)
            if parked.outcome is ParkOutcome.LEADER:
                return self._accept(question, waiter, token)
            found = self._lookup.remember(question.key, parked.result, question.asked_at_ms)
            if found and (answer := self._answer_from(question, found)):
                return answer
            seen = parked.result
        raise TransientError("The result changes faster than it can be read; ask again.")

    def _accept(self, question: _Question, waiter: Waiter, token: str, *, leads: bool = True) -> Accepted:
        """Send the job, if it is not somebody else's, and the guardian that takes over should a worker die."""
        subject, deadline_ms = question.subject, question.deadline_ms
        job = Job(JobKind.REQUEST, *subject, token, waiter=waiter, deadline_ms=deadline_ms)
        first, guardian = with_guardian(job)
        self._send(question, job, *((first, guardian) if leads else (guardian,)))
        return _ACCEPTED

    def _send(self, question: _Question, job: Job, *outgoing: Outgoing) -> None:
        """Send what a job needs; failing that, leave nothing of it behind."""
        try:
            self._jobs.send(outgoing)
        except QueueUnavailableError:
            self._store.unpark(question.key, job.waiter, job.token)
            raise
