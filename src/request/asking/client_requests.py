"""Requests of clients and durable requests: answered now, or parked until their key is filled."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from push.cache.jobs import JobKind, Waiter
from push.callers import Caller, serialize_claims
from push.keys import Key
from push.protocol.large_answers import parse_accept
from push.protocol.messages import Request
from push.results import Result
from request.asking.engine import Answer, Engine, Pending
from request.asking.parking import Demand, Subject

_ANY_AGE_SECONDS = 10**9


class _ClientQuestion(msgspec.Struct, frozen=True):
    """A checked request and its caller; see `request.asking.engine.Question`."""

    request: Request
    caller: Caller
    key: Key
    asked_at_ms: int

    @property
    def max_age_ms(self) -> int | None:
        max_age = self.request.max_age
        return None if max_age is None else int(min(max_age, _ANY_AGE_SECONDS) * 1000)

    @property
    def subject(self) -> Subject:
        return self.caller.tenant, self.request.compute, self.request.params, self.caller.principal

    @property
    def prefers_waiting(self) -> bool:
        return True

    @property
    def is_counted(self) -> bool:
        return True

    def demand(self, _seen: Result | None) -> Demand:
        deadline_ms = self.asked_at_ms + self.request.deadline_ms
        return Demand(self.key, JobKind.REQUEST, self.subject, self._waiter(), deadline_ms)

    def _waiter(self) -> Waiter:
        newer_than_ms = 0 if self.max_age_ms is None else self.asked_at_ms - self.max_age_ms
        accept = parse_accept(self.request.accept)
        caller, newer_than_ms = self.caller, max(0, newer_than_ms)
        if caller.connection_id:
            return Waiter(caller.connection_id, self.request.id, newer_than_ms, accept)
        # A request without a connection is durable: its record takes the answer, and belongs to a principal.
        return Waiter(
            "", self.request.id, newer_than_ms, accept, caller.tenant, caller.principal, serialize_claims(caller.claims)
        )


class ClientRequests(msgspec.Struct, frozen=True):
    """Answers or parks requests for one execution environment; `now_ms` is in milliseconds since 1970."""

    engine: Engine
    now_ms: Callable[[], int]

    def answer(self, request: Request, caller: Caller) -> Answer | Pending:
        """Return the result that answers a request now, or park the request.

        Raises:
            RequestError: the compute is unknown, the params do not fit, or the caller may not ask.
            TransientError: the request could not be accepted; nothing of it is left behind.

        """
        key = self.engine.identify(caller, request.compute, bytes(request.params))
        return self.engine.answer(_ClientQuestion(request, caller, key, self.now_ms()))
