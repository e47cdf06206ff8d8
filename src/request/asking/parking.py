"""Parking a demand on its key, and sending the job that meets it: the only place that does either.

One script parks the waiter and tries for the lease. The outcome decides which jobs are sent. If the queue refuses
them, the parking is undone, so that a refused request leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from push.cache.jobs import Job, JobKind, Outgoing, Waiter, with_guardian
from push.cache.ports import JobSender, Parked, ParkOutcome, ResultStore
from push.computes import Tenant
from push.errors import CacheUnavailableError, QueueUnavailableError
from push.keys import Key
from push.results import Result

_AT_MOST_EVERY_MS = 5000
_REMEMBERED_KEYS = 10_000

Subject = tuple[Tenant, str, msgspec.Raw, str]
"""What a job computes: tenant, name of the compute, params, and the principal that it may be for."""


class Demand(msgspec.Struct, frozen=True):
    """A result that has to be computed, and the waiter that it is for, if there is one.

    `newer_than_ms` lets a worker skip a job whose result another worker has stored since.
    """

    key: Key
    kind: JobKind
    subject: Subject
    waiter: Waiter | None = None
    deadline_ms: int = 0
    newer_than_ms: int = 0

    @property
    def has_request(self) -> bool:
        """Whether a request waits: its waiter travels with the job, and a guardian follows."""
        return self.kind is JobKind.REQUEST and self.waiter is not None

    def job(self, token: str) -> Job:
        """Return the job that meets the demand."""
        waiter = self.waiter if self.has_request else None
        deadline_ms = self.deadline_ms if self.has_request else 0
        tenant, compute, params, principal = self.subject
        own = "" if self.key.principal is None else principal
        return Job(self.kind, tenant, compute, params, token, 1, waiter, deadline_ms, self.newer_than_ms, own)


class Parking:
    """Parks demands and sends their jobs for one execution environment.

    Args:
        store: parks waiters and queues leases.
        jobs: the compute queue.
        now_ms: the clock, in milliseconds since 1970.
        new_token: makes fencing tokens, each unique.

    """

    def __init__(
        self, *, store: ResultStore, jobs: JobSender, now_ms: Callable[[], int], new_token: Callable[[], str]
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._now_ms = now_ms
        self._new_token = new_token
        self._sent_at_ms: dict[str, int] = {}

    def park(self, demand: Demand, seen: Result | None, *, only_to_lead: bool = False) -> Parked:
        """Park a demand, try for the lease, and send the jobs that the outcome calls for.

        If Redis does not answer, a request's job is sent all the same, because it carries the request's waiter. With
        `only_to_lead` the waiter is parked only if it gets the lease.

        Raises:
            CacheUnavailableError: Redis did not answer, and no request waits or `only_to_lead` is set.
            QueueUnavailableError: the queue refused the jobs; the parking is undone.

        """
        token = self._new_token()
        try:
            parked = self._store.park(
                demand.key, seen, demand.waiter, demand.deadline_ms, token, only_to_lead=only_to_lead
            )
        except CacheUnavailableError:
            if only_to_lead or not demand.has_request:
                raise
            # The parking may have succeeded and its reply be lost: the job has the same token, so it can claim the key.
            parked = Parked(ParkOutcome.LEADER)
        if outgoing := self._outgoing(demand, parked.outcome, token):
            self._send(demand, outgoing)
        return parked

    def send_unparked(self, demand: Demand) -> None:
        """Send a job while Redis is away, once in five seconds: no lease tells whether the key is being computed.

        Raises:
            QueueUnavailableError: the queue refused the job; the next call tries again.

        """
        if self._is_due(demand.key):
            self._jobs.send((Outgoing(demand.job(self._new_token())),))
            self._note_sent(demand.key)

    def _outgoing(self, demand: Demand, outcome: ParkOutcome, token: str) -> tuple[Outgoing, ...]:
        if outcome is ParkOutcome.CHANGED:
            return ()
        if demand.has_request:
            if outcome is ParkOutcome.FOLLOWER:
                return ()
            job, guardian = with_guardian(demand.job(token))
            # A refresh has no guardian, so the first request that waits for one sends it.
            return (job, guardian) if outcome is ParkOutcome.LEADER else (guardian,)
        if outcome is ParkOutcome.LEADER:
            return (Outgoing(demand.job(token)),)
        if demand.kind is JobKind.LIVE and self._is_due(demand.key):
            # The leader may be a refresh, which no guardian watches: subscribers must not depend on it.
            self._note_sent(demand.key)
            return (Outgoing(demand.job(token)),)
        return ()

    def _send(self, demand: Demand, outgoing: tuple[Outgoing, ...]) -> None:
        try:
            self._jobs.send(outgoing)
        except QueueUnavailableError:
            # The subscribers' waiter stays parked: other subscribers share it.
            job = outgoing[0].job
            self._store.unpark(demand.key, job.waiter, job.token)
            raise

    def _is_due(self, key: Key) -> bool:
        return self._now_ms() - self._sent_at_ms.get(key.storage, 0) >= _AT_MOST_EVERY_MS

    def _note_sent(self, key: Key) -> None:
        self._sent_at_ms.pop(key.storage, None)
        self._sent_at_ms[key.storage] = self._now_ms()
        if len(self._sent_at_ms) > _REMEMBERED_KEYS:
            del self._sent_at_ms[next(iter(self._sent_at_ms))]
