"""What a live result is when somebody subscribes to it: read from Redis itself, and computed if it is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from push.cache.freshness import Freshness, judge
from push.cache.jobs import NO_DEADLINE_MS, Job, JobKind, Outgoing, live_waiter
from push.cache.ports import JobSender, Parked, ParkOutcome, ResultStore
from push.computes import AnyCompute, Registry, Tenant
from push.errors import QueueUnavailableError, TransientError
from push.keys import Key, make_key
from push.results import Result
from push.topics.ports import Subscriptions
from push.topics.subscriptions import LiveResult, subscribed_until
from push.topics.topics import Topic, live_topic

_READ_TRIES = 3

_FOLLOWED_MS = 5000
"""How often one environment sends a job for a key that somebody else is computing."""

_FOLLOWED_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class LiveQuestion:
    """A checked wish to be told of a compute's result."""

    compute: AnyCompute
    key: Key
    tenant: Tenant
    params: msgspec.Raw
    tags: frozenset[str]

    @property
    def topic(self) -> Topic:
        """The topic that is subscribed to."""
        return live_topic(self.key)


class LiveValues:
    """Finds live results for one execution environment, and has computed what is not there.

    Args:
        registry: the computes on offer.
        store: the results; nothing is remembered in memory, so that no value is told that is older than a position.
        subscriptions: where it is noted what live results are made from.
        jobs: the compute queue.
        now_ms: the clock, in milliseconds since 1970.
        new_token: makes fencing tokens, each unique.

    """

    def __init__(
        self,
        *,
        registry: Registry,
        store: ResultStore,
        subscriptions: Subscriptions,
        jobs: JobSender,
        now_ms: Callable[[], int],
        new_token: Callable[[], str],
    ) -> None:
        self._registry = registry
        self._store = store
        self._subscriptions = subscriptions
        self._jobs = jobs
        self._now_ms = now_ms
        self._new_token = new_token
        self._followed: dict[str, int] = {}

    def identify(self, tenant: Tenant, name: str, params: msgspec.Raw) -> LiveQuestion:
        """Check what is asked.

        Raises:
            RequestError: the compute is unknown or the params do not fit.

        """
        compute: AnyCompute = self._registry.find(name)
        parsed = compute.parse_params(params)
        return LiveQuestion(compute, make_key(tenant, compute, parsed), tenant, params, frozenset(compute.tags(parsed)))

    def note(self, question: LiveQuestion) -> None:
        """Have changes of what the result is made from lead to it, as far as that is known before it is computed.

        Raises:
            TransientError: the table did not take it.

        """
        self._add(question, question.tags)

    def read(self, question: LiveQuestion) -> Result | None:
        """Return the result as it is now; None if it is being computed, or has to be.

        A change after `note` is never missed: it finds what was noted, or left its mark on what is read here.

        Raises:
            TransientError: Redis, the table or the queue did not answer; whoever asks again loses nothing.

        """
        result = self._store.read(question.key)
        for _ in range(_READ_TRIES):
            result = self._note_late(question, result)
            freshness = Freshness.UNUSABLE if result is None else judge(result, self._now_ms())
            if freshness is Freshness.FRESH:
                return result
            parked = self._have_computed(question, result)
            if parked.outcome is not ParkOutcome.CHANGED:
                return None if freshness is Freshness.UNUSABLE else result
            result = parked.result
        raise TransientError("The result changes faster than it can be read; subscribe again.")

    def _note_late(self, question: LiveQuestion, result: Result | None) -> Result | None:
        """Note what is only known from the result; return it as it is after that."""
        noted = question.tags
        while result is not None and (late := frozenset(result.tags) - noted):
            self._add(question, late)
            noted |= late
            if not self._store.is_unchanged(question.key, result):
                result = self._store.read(question.key)
        return result

    def _add(self, question: LiveQuestion, tags: frozenset[str]) -> None:
        until = subscribed_until(self._now_ms())
        self._subscriptions.add_live(tags, LiveResult(question.key, question.tenant, question.params, until))

    def _have_computed(self, question: LiveQuestion, seen: Result | None) -> Parked:
        """Have the subscribers wait for a newer result, as one waiter, and see to it that somebody computes it."""
        token = self._new_token()
        newer_than_ms = 0 if seen is None else seen.computed_at_ms + 1
        parked = self._store.park(question.key, seen, live_waiter(newer_than_ms), NO_DEADLINE_MS, token)
        is_leader = parked.outcome is ParkOutcome.LEADER
        if is_leader or (parked.outcome is not ParkOutcome.CHANGED and self._may_follow(question.key)):
            subject = question.tenant, question.compute.name, question.params
            try:
                self._jobs.send([Outgoing(Job(JobKind.LIVE, *subject, token, newer_than_ms=newer_than_ms))])
            except QueueUnavailableError:
                self._store.unpark(question.key, None, token)
                raise
        return parked

    def _may_follow(self, key: Key) -> bool:
        """Say whether it is time to send a job though somebody is at it: nobody may be guarding that one."""
        now_ms = self._now_ms()
        if now_ms - self._followed.get(key.storage, 0) < _FOLLOWED_MS:
            return False
        self._followed.pop(key.storage, None)
        self._followed[key.storage] = now_ms
        if len(self._followed) > _FOLLOWED_KEYS:
            del self._followed[next(iter(self._followed))]
        return True
