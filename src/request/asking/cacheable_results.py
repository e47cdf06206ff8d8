"""Results that are asked for without waiting to be told: from memory or Redis, or computed for who asks again.

Nobody is parked: who finds no result asks again, and one of those who ask has it computed. So there is no guardian
either; should the worker die, whoever asks after its lease has ended has it computed anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from push.cache.freshness import Freshness, is_due_early, judge
from push.cache.jobs import Job, JobKind, Outgoing
from push.cache.memory import MemoryCache, Remembered
from push.cache.ports import JobSender, Parked, ParkOutcome, ResultStore
from push.computes import Registry, Tenant
from push.errors import CacheUnavailableError, QueueUnavailableError, TransientError
from push.keys import Key
from push.metrics import Counter, Metric
from push.protocol.frames import CacheState
from push.results import Result
from request.asking.answering import Answer
from request.asking.looking_up import Found, Lookup

_FIRST_PAUSE_SECONDS = 0.05
_LAST_PAUSE_SECONDS = 1.0

_BLIND_JOB_MS = 5000
"""How often, without Redis, one environment has a key computed: nobody else can say that it is being computed."""

_BLIND_KEYS = 1000


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, and by whom."""

    tenant: Tenant
    compute: str
    params: msgspec.Raw
    key: Key


class CacheableResults:
    """Finds results for one execution environment, and has computed what is not there.

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
        sleep: waits for so many seconds.

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
        sleep: Callable[[float], None],
    ) -> None:
        self._lookup = Lookup(registry=registry, store=store, memory=memory, counter=counter, trust_ms=trust_ms)
        self._store = store
        self._jobs = jobs
        self._counter = counter
        self._now_ms = now_ms
        self._new_token = new_token
        self._random = random
        self._sleep = sleep
        self._blind_jobs: OrderedDict[str, int] = OrderedDict()

    def find(self, tenant: Tenant, compute: str, params: bytes, wait_seconds: float = 0.0) -> Answer | None:
        """Return the result, value or failure, that can be had now or within so many seconds.

        None means that it is being computed.

        Raises:
            RequestError: the compute is unknown or the params do not fit.
            QueueUnavailableError: it is not there, and can't be had computed.
            CacheUnavailableError: Redis does not say whether it is there.

        """
        question = _Question(tenant, compute, msgspec.Raw(params), self._lookup.identify(tenant, compute, params))
        until_ms = self._now_ms() + int(wait_seconds * 1000)
        pause_seconds, is_first = _FIRST_PAUSE_SECONDS, True
        while True:
            answer, error = self._look(question, is_first=is_first)
            left_seconds = (until_ms - self._now_ms()) / 1000
            if answer is not None:
                return answer
            if left_seconds <= 0:
                if error is not None:
                    raise error
                return None
            self._sleep(min(pause_seconds, left_seconds))
            pause_seconds, is_first = min(pause_seconds * 1.5, _LAST_PAUSE_SECONDS), False

    def encode(self, answer: Answer) -> str:
        """Return an answer's data as `encode_data` does, once for as long as they are remembered."""
        return self._lookup.encode(answer.key, answer.remembered)

    def _look(self, question: _Question, *, is_first: bool) -> tuple[Answer | None, CacheUnavailableError | None]:
        """Look once; without Redis have the result computed all the same: it may be back when that is done."""
        now_ms = self._now_ms()
        found = self._lookup.find(question.key, now_ms)
        if found is not None and (answer := self._answer_from(question, found, now_ms)):
            return answer, None
        if is_first:
            self._counter.count(Metric.CACHE_MISS)
        seen = None if found is None else found.remembered.seen
        try:
            return self._have_computed(question, seen, now_ms, is_first=is_first), None
        except CacheUnavailableError:
            self._counter.count(Metric.CACHE_UNAVAILABLE)
            self._have_computed_blindly(question, now_ms)
            return None, CacheUnavailableError("The cache does not answer.", retry_after_ms=2000)

    def _answer_from(self, question: _Question, found: Found, now_ms: int) -> Answer | None:
        """Answer from a result, if it will do: a fresh one, or a stale one that is computed anew meanwhile."""
        remembered = found.remembered
        freshness = judge(remembered.result, now_ms)
        if freshness is Freshness.UNUSABLE:
            return None
        if freshness is Freshness.FRESH and not remembered.is_lost:
            self._counter.count(Metric.CACHE_HIT, dimension=found.tier)
            if is_due_early(remembered.result, now_ms, self._random()):
                self._refresh(question, remembered, now_ms)
            return Answer(question.key, remembered, CacheState.HIT, now_ms)
        self._counter.count(Metric.CACHE_STALE)
        self._refresh(question, remembered, now_ms)
        return Answer(question.key, remembered, CacheState.STALE, now_ms)

    def _refresh(self, question: _Question, remembered: Remembered, now_ms: int) -> None:
        """Have a result computed anew, once; failing that, who asks later tries again."""
        if not self._lookup.may_refresh(remembered, now_ms):
            return
        try:
            parked = self._lead(JobKind.REFRESH, question, remembered.seen)
        except TransientError:
            self._counter.count(Metric.CACHE_UNAVAILABLE)
            return
        if parked.outcome is ParkOutcome.LEADER:
            self._counter.count(Metric.REFRESH)
        elif parked.outcome is ParkOutcome.CHANGED:
            self._lookup.remember(question.key, parked.result, now_ms)

    def _have_computed(self, question: _Question, seen: Result | None, now_ms: int, *, is_first: bool) -> Answer | None:
        """Have computed what is not there, or is too old; answer if somebody did so since it was looked for."""
        parked = self._lead(JobKind.REQUEST, question, seen)
        if parked.outcome is ParkOutcome.FOLLOWER and is_first:
            self._counter.count(Metric.COALESCED)
        if parked.outcome is not ParkOutcome.CHANGED:
            return None
        changed = self._lookup.remember(question.key, parked.result, now_ms)
        return self._answer_from(question, changed, now_ms) if changed else None

    def _lead(self, kind: JobKind, question: _Question, seen: Result | None) -> Parked:
        """Try for the lease, and send the job with it; a key that rests has none for those who do not wait."""
        token = self._new_token()
        parked = self._store.park(question.key, seen, None, 0, token)
        if parked.outcome is ParkOutcome.LEADER:
            try:
                self._send(kind, question, token, 0 if seen is None else seen.computed_at_ms + 1)
            except QueueUnavailableError:
                self._store.unpark(question.key, None, token)
                raise
        return parked

    def _have_computed_blindly(self, question: _Question, now_ms: int) -> None:
        name = question.key.storage
        if now_ms - self._blind_jobs.get(name, 0) < _BLIND_JOB_MS:
            return
        self._send(JobKind.REQUEST, question, self._new_token(), 0)
        self._blind_jobs[name] = now_ms
        self._blind_jobs.move_to_end(name)
        if len(self._blind_jobs) > _BLIND_KEYS:
            self._blind_jobs.popitem(last=False)

    def _send(self, kind: JobKind, question: _Question, token: str, newer_than_ms: int) -> None:
        """Send a job; one for what nobody has is tried again if it fails, and one for what is stale is not."""
        subject = question.tenant, question.compute, question.params
        self._jobs.send([Outgoing(Job(kind, *subject, token, newer_than_ms=newer_than_ms))])
