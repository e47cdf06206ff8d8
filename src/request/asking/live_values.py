"""The value of a live result at the moment of a subscription: read from Redis, and computed if it is not there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from push.cache.freshness import Freshness, judge
from push.cache.jobs import NO_DEADLINE_MS, JobKind, live_waiter
from push.cache.ports import ResultStore
from push.callers import Caller
from push.computes import AnyCompute, Registry, Tenant
from push.keys import Key, make_key
from push.results import Result
from push.topics.ports import Subscriptions
from push.topics.subscriptions import LiveResult, linked_until
from push.topics.topics import Topic, live_topic
from request.asking.engine import Engine, Pending, newer_than
from request.asking.parking import Demand
from request.asking.permission import check_permission


class LiveQuestion(msgspec.Struct, frozen=True):
    """A checked subscription to the result of a compute; see `request.asking.engine.Parkable`."""

    compute: AnyCompute
    key: Key
    tenant: Tenant
    params: msgspec.Raw
    principal: str
    tags: frozenset[str]
    asked_at_ms: int

    @property
    def topic(self) -> Topic:
        """The topic of the subscription."""
        return live_topic(self.key)

    @property
    def is_counted(self) -> bool:
        """Subscriptions are neither hits nor misses."""
        return False

    def demand(self, seen: Result | None) -> Demand:
        """Return what to park: all subscribers of a key are one waiter, without a deadline.

        Those that have no value yet are another one.
        """
        newer_than_ms = newer_than(seen)
        subject = self.tenant, self.compute.name, self.params, self.principal
        waiter = live_waiter(newer_than_ms, lacks_value=self.usable(seen) is None)
        return Demand(self.key, JobKind.LIVE, subject, waiter, NO_DEADLINE_MS, newer_than_ms)

    def usable(self, seen: Result | None) -> Result | None:
        """Return a stored result if the subscriber may have it meanwhile; None if not, or if there is none."""
        return None if seen is None or judge(seen, self.asked_at_ms) is Freshness.UNUSABLE else seen


class LiveValues(msgspec.Struct, frozen=True, kw_only=True):
    """Finds the values of live results for one execution environment, and requests a compute of missing ones.

    Args:
        engine: parks the subscribers' waiter. Memory is not asked, so no value is older than its position.
        registry: the computes on offer.
        store: the results.
        subscriptions: keeps which tags lead to which live results.
        now_ms: the clock, in milliseconds since 1970.

    """

    engine: Engine
    registry: Registry
    store: ResultStore
    subscriptions: Subscriptions
    now_ms: Callable[[], int]

    def identify(self, caller: Caller, name: str, params: msgspec.Raw) -> LiveQuestion:
        """Check a compute, its params, and that the caller may ask.

        Raises:
            RequestError: the compute is unknown, the params do not fit, or the caller may not ask.

        """
        compute: AnyCompute = self.registry.find(name)
        parsed = compute.parse_params(params)
        check_permission(compute, caller, parsed)
        key = make_key(caller.tenant, compute, parsed, caller.principal)
        principal = "" if key.principal is None else caller.principal
        tags = frozenset(compute.tags(parsed))
        return LiveQuestion(compute, key, caller.tenant, params, principal, tags, self.now_ms())

    def note(self, question: LiveQuestion) -> None:
        """Link the tags that are known before the compute to the live result, so that changes of them refresh it.

        Raises:
            TransientError: the table did not take it.

        """
        self._add(question, question.tags)

    def read(self, question: LiveQuestion) -> Result | None:
        """Return the result that Redis holds now; None if it has to be computed first.

        No change after `note` is missed: either it finds the noted tags, or this method reads what it left.

        Raises:
            TransientError: Redis, the table or the queue did not answer; the client can subscribe again.

        """
        fresh = self.engine.answer_from_store(question, partial(self._take, question))
        if not isinstance(fresh, Pending):
            return fresh
        return question.usable(fresh.seen)

    def _take(self, question: LiveQuestion, result: Result | None) -> tuple[Result | None, Result | None]:
        result = self._note_late(question, result)
        if result is None or result.may_lag or judge(result, self.now_ms()) is not Freshness.FRESH:
            return None, result
        return result, result

    def _note_late(self, question: LiveQuestion, result: Result | None) -> Result | None:
        """Link the tags that only the result names, and return the result that is stored after that."""
        noted = question.tags
        while result is not None and (late := frozenset(result.tags) - noted):
            self._add(question, late)
            noted |= late
            if not self.store.is_unchanged(question.key, result):
                result = self.store.read(question.key)
        return result

    def _add(self, question: LiveQuestion, tags: frozenset[str]) -> None:
        until = linked_until(self.now_ms())
        self.subscriptions.add_live(
            tags, LiveResult(question.key, question.tenant, question.params, until, question.principal)
        )
