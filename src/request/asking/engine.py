"""Find, judge, park, send: how every result is answered, for every caller.

`client_requests`, `polled_results` and `live_values` put their questions to one engine. A question says how old a
result may be and, when no stored result will do, which demand to park.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Protocol, TypeVar

import msgspec

from push.cache.freshness import Freshness, is_due_early, judge
from push.cache.jobs import JobKind
from push.cache.memory import MemoryCache, Remembered
from push.cache.ports import JobSender, Parked, ParkOutcome, ResultStore
from push.callers import Caller
from push.computes import AnyCompute, Registry, Tenant
from push.errors import TransientError
from push.keys import Key, make_key
from push.metrics import Counter, Metric
from push.protocol.frames import CacheState
from push.results import Result
from request.asking.parking import Demand, Parking, Subject
from request.asking.permission import check_permission, is_personal
from request.asking.tiers import Found, Tiers

_PARK_TRIES = 3
_REMEMBERED_PARAMS_BYTES = 1024
_REMEMBERED_KEYS = 4096

_Taken = TypeVar("_Taken")


class Parkable(Protocol):
    """A question that can be parked when no stored result will do."""

    @property
    def key(self) -> Key:
        """The key of the result."""

    @property
    def is_counted(self) -> bool:
        """Whether a miss counts; a caller that looks again for the same result is one miss."""

    def demand(self, seen: Result | None) -> Demand:
        """Return what to park; `seen` is the stored result that does not answer the question."""


class Question(Parkable, Protocol):
    """A question that memory may answer. A hit reads its key, time and maximum age, and nothing else."""

    @property
    def asked_at_ms(self) -> int:
        """The time of the question."""

    @property
    def max_age_ms(self) -> int | None:
        """The caller accepts only a younger result; None leaves it to the result's own times."""

    @property
    def subject(self) -> Subject:
        """The subject of a refresh."""

    @property
    def prefers_waiting(self) -> bool:
        """Whether the caller would rather wait for a new result than read an invalidated or a lost one."""


class Answer(msgspec.Struct, frozen=True):
    """A value or a remembered failure that answers a question now."""

    key: Key
    remembered: Remembered
    state: CacheState
    asked_at_ms: int

    @property
    def result(self) -> Result:
        """The value or failure."""
        return self.remembered.result


class Pending(msgspec.Struct, frozen=True):
    """The result is being computed. A request that is parked ends in exactly one result or error."""

    seen: Result | None = None
    """The result that is stored meanwhile, and that did not answer the question."""


class Engine:
    """Answers questions for one execution environment, and requests a compute of missing results.

    Args:
        registry: the computes on offer.
        store: the second tier, shared by all environments.
        memory: the first tier, this environment's own.
        jobs: the compute queue.
        counter: counts hits and misses.
        now_ms: the clock, in milliseconds since 1970.
        new_token: makes fencing tokens, each unique.
        random: in [0, 1), spreads early refreshes.
        trust_ms: how long a result in memory is answered without asking Redis whether it has changed.

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
        self._registry = registry
        self._store = store
        self._memory = memory
        self._tiers = Tiers(store=store, memory=memory, counter=counter, trust_ms=trust_ms)
        self._parking = Parking(store=store, jobs=jobs, now_ms=now_ms, new_token=new_token)
        self._counter = counter
        self._random = random
        self._remembered_key = lru_cache(maxsize=_REMEMBERED_KEYS)(self._make_key)
        self._personal = frozenset(name for name, each in registry.by_name.items() if is_personal(each))

    def identify(self, caller: Caller, compute: str, params: bytes) -> Key:
        """Return the key of a result that a caller may request.

        Raises:
            RequestError: the compute is unknown, the params do not fit, or the caller may not ask.

        """
        if compute in self._personal:
            return self._identify_personal(caller, compute, params)
        if len(params) > _REMEMBERED_PARAMS_BYTES:
            return self._make_key(caller.tenant, compute, params)
        return self._remembered_key(caller.tenant, compute, params)

    def _identify_personal(self, caller: Caller, name: str, params: bytes) -> Key:
        compute: AnyCompute = self._registry.find(name)
        parsed = compute.parse_params(params)
        check_permission(compute, caller, parsed)
        return make_key(caller.tenant, compute, parsed, caller.principal)

    def _make_key(self, tenant: Tenant, name: str, params: bytes) -> Key:
        compute: AnyCompute = self._registry.find(name)
        return make_key(tenant, compute, compute.parse_params(params))

    def encode(self, answer: Answer) -> str:
        """Return an answer's data as `encode_data` does; memory keeps them encoded."""
        return self._memory.encode(answer.key.storage, answer.remembered)

    def answer(self, question: Question) -> Answer | Pending:
        """Answer a question from memory or Redis, or park its demand.

        Raises:
            CacheUnavailableError: Redis did not answer, and the demand has no request.
            TransientError: the demand could not be parked or its job not be sent; nothing of it is left behind.

        """
        found = self._tiers.find(question.key, question.asked_at_ms)
        if found is None:
            return self._have_computed(question, None)
        return self._answer_from(question, found) or self._have_computed(question, found.remembered.seen)

    def _have_computed(self, question: Question, seen: Result | None) -> Answer | Pending:
        if question.is_counted:
            self._counter.count(Metric.CACHE_MISS)
        return self._wait(question, seen, partial(self._take, question))

    def _take(self, question: Question, stored: Result | None) -> tuple[Answer | Pending | None, Result | None]:
        found = self._tiers.remember(question.key, stored, question.asked_at_ms)
        return (self._answer_from(question, found) if found else None), stored

    def answer_from_store(
        self, question: Parkable, take: Callable[[Result | None], tuple[_Taken | None, Result | None]]
    ) -> _Taken | Pending:
        """Offer the result in Redis to `take`, and park the question's demand if `take` does not accept it.

        Memory is not asked. `take` returns what it makes of a result, or None and the result that is stored by now.

        Raises:
            TransientError: Redis or the queue did not answer.

        """
        taken, seen = take(self._store.read(question.key))
        return self._wait(question, seen, take) if taken is None else taken

    def send_unparked(self, question: Parkable) -> None:
        """Send a question's job while Redis is away. Raises as `Parking.send_unparked`."""
        self._counter.count(Metric.CACHE_UNAVAILABLE)
        self._parking.send_unparked(question.demand(None))

    def _wait(
        self,
        question: Parkable,
        seen: Result | None,
        take: Callable[[Result | None], tuple[_Taken | None, Result | None]],
    ) -> _Taken | Pending:
        """Park a question's demand; offer the stored result to `take` whenever it changed since it was seen."""
        for _ in range(_PARK_TRIES):
            parked = self._parking.park(question.demand(seen), seen)
            if parked.outcome is not ParkOutcome.CHANGED:
                self._count_coalesced(question, parked)
                return Pending(seen)
            taken, seen = take(parked.result)
            if taken is not None:
                return taken
        raise TransientError("The result changes faster than it can be read; ask again.")

    def _count_coalesced(self, question: Parkable, parked: Parked) -> None:
        if question.is_counted and parked.outcome is not ParkOutcome.LEADER:
            self._counter.count(Metric.COALESCED)

    def _answer_from(self, question: Question, found: Found) -> Answer | Pending | None:
        """Answer from a result if it is young enough, and send a refresh if it is old."""
        remembered, now_ms = found.remembered, question.asked_at_ms
        result, is_lost = remembered.result, remembered.is_lost
        freshness = judge(result, now_ms, question.max_age_ms)
        if freshness is Freshness.UNUSABLE:
            return None
        if freshness is Freshness.FRESH and not is_lost:
            self._counter.count(Metric.CACHE_HIT, dimension=found.tier)
            if is_due_early(result, now_ms, self._random()):
                self._refresh(question, remembered)
            return Answer(question.key, remembered, CacheState.HIT, now_ms)
        if question.prefers_waiting and (result.is_invalidated or is_lost):
            return self._lead(question, remembered) or self._answer_stale(question, remembered)
        self._refresh(question, remembered)
        return self._answer_stale(question, remembered)

    def _answer_stale(self, question: Question, remembered: Remembered) -> Answer:
        self._counter.count(Metric.CACHE_STALE)
        return Answer(question.key, remembered, CacheState.STALE, question.asked_at_ms)

    def _lead(self, question: Question, remembered: Remembered) -> Answer | Pending | None:
        """Park the demand for an invalidated or lost result if no worker has it yet; else the old result will do."""
        parked = self._try_for_lease(question, remembered, question.demand(remembered.seen), only_to_lead=True)
        if parked is None or parked.outcome is ParkOutcome.FOLLOWER:
            return None
        if parked.outcome is ParkOutcome.LEADER:
            self._counter.count(Metric.CACHE_MISS)
            return Pending()
        changed = self._tiers.remember(question.key, parked.result, question.asked_at_ms)
        return self._answer_from(question, changed) if changed else None

    def _refresh(self, question: Question, remembered: Remembered) -> None:
        """Have a result computed again, once; if that fails, a later question tries again."""
        seen = remembered.seen
        demand = Demand(question.key, JobKind.REFRESH, question.subject, newer_than_ms=newer_than(seen))
        parked = self._try_for_lease(question, remembered, demand)
        if parked is None:
            return
        if parked.outcome is ParkOutcome.LEADER:
            self._counter.count(Metric.REFRESH)
        elif parked.outcome is ParkOutcome.CHANGED:
            self._tiers.remember(question.key, parked.result, question.asked_at_ms)

    def _try_for_lease(
        self, question: Question, remembered: Remembered, demand: Demand, *, only_to_lead: bool = False
    ) -> Parked | None:
        """Park a demand that the answer does not depend on; None if it is too early or something did not answer."""
        if not self._tiers.may_refresh(remembered, question.asked_at_ms):
            return None
        try:
            return self._parking.park(demand, remembered.seen, only_to_lead=only_to_lead)
        except TransientError:
            self._counter.count(Metric.CACHE_UNAVAILABLE)
            return None


def newer_than(seen: Result | None) -> int:
    """Return the `newer_than_ms` of a demand for a newer result than the one seen."""
    return 0 if seen is None else seen.computed_at_ms + 1
