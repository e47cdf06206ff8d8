"""Jobs: the messages of the compute queue, and the waiters for their results."""

from __future__ import annotations

import enum
from typing import Self

import msgspec

from push.computes import Tenant
from push.errors import ErrorCode, RequestError
from push.queues.escaping import escape_for_sqs

LEASE_TERM_MS = 4000
"""How long a lease lasts unless its holder renews it; a holder renews it three times a term."""

GUARDIAN_DELAY_SECONDS = 5
"""A little over a lease's term, so that a dead worker's lease has ended when the guardian arrives."""


class Waiter(msgspec.Struct, frozen=True, array_like=True):
    """A request parked on a key.

    `newer_than_ms` is 0 unless the caller refuses older results: then the result must be computed at that time or
    later. A request that is retried may be parked twice, and is still answered once. `accept` is the request's own, as
    `large_answers.parse_accept` returns it. A durable request has a `tenant`, a `principal` and no connection; its
    record receives the answer. A waiter with neither connection nor tenant stands for the key's subscribers; the key's
    history receives their answer. `claims` are a durable request's, if the compute has a rule `authorize`.
    """

    connection_id: str
    request_id: str
    newer_than_ms: int = 0
    accept: str = ""
    tenant: str = ""
    principal: str = ""
    claims: str = ""

    @property
    def is_live(self) -> bool:
        """Return whether the waiter stands for the subscribers of a key."""
        return not self.connection_id and not self.tenant

    @property
    def lacks_value(self) -> bool:
        """Return whether it stands for a subscriber that has no value yet."""
        return self.is_live and self.request_id == _LACKS_VALUE


_LACKS_VALUE = "value"


def live_waiter(newer_than_ms: int = 0, *, lacks_value: bool = False) -> Waiter:
    """Return the waiter that stands for a key's subscribers; its result must be computed at that time or later.

    If one of them has no value yet, the result is published though the others have the same.
    """
    return Waiter("", _LACKS_VALUE if lacks_value else "", newer_than_ms)


NO_DEADLINE_MS = 9_000_000_000_000_000
"""The deadline of a waiter that stands for subscribers: later than any other, and exact as a number in Lua."""


class JobKind(enum.StrEnum):
    """The reason for a job."""

    REQUEST = "request"
    """A waiter is parked on the key."""
    REFRESH = "refresh"
    """No waiter: a stale result was answered."""
    GUARDIAN = "guardian"
    """Sent with a delay beside a request's job; takes over if that job's worker died."""
    LIVE = "live"
    """The key has subscribers, and a source changed or no result exists yet. Works as a refresh, but is retried."""


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the compute queue.

    `token` is the fencing token under which the lease was queued, and `attempt` counts from 1. The job carries its
    first waiter and that waiter's deadline, so the waiter is answered even if Redis loses all data. A refresh is done
    once a result computed at `newer_than_ms` or later is stored. `principal` is empty unless the key has one.
    """

    kind: JobKind
    tenant: Tenant
    compute: str
    params: msgspec.Raw
    token: str
    attempt: int = 1
    waiter: Waiter | None = None
    deadline_ms: int = 0
    newer_than_ms: int = 0
    principal: str = ""

    def guardian(self) -> Self:
        """Return the guardian of this job."""
        return msgspec.structs.replace(self, kind=JobKind.GUARDIAN)

    def next_attempt(self) -> Self:
        """Return this job with the next attempt's number."""
        return msgspec.structs.replace(self, attempt=self.attempt + 1)

    def look_again(self, newer_than_ms: int) -> Self:
        """Return a job that computes the key for its subscribers, from reads at a time or later."""
        live = msgspec.structs.replace(self.follow_up(), kind=JobKind.LIVE)
        return msgspec.structs.replace(live, newer_than_ms=newer_than_ms)

    def follow_up(self) -> Self:
        """Return a job for the waiters that need a newer result than this job's."""
        return msgspec.structs.replace(self, kind=JobKind.REQUEST, attempt=1, waiter=None, deadline_ms=0)


class Outgoing(msgspec.Struct, frozen=True):
    """A job to send, hidden from receivers for `delay_seconds`."""

    job: Job
    delay_seconds: int = 0


def with_guardian(job: Job) -> tuple[Outgoing, Outgoing]:
    """Return a job and its guardian, to be sent in one call."""
    return Outgoing(job), Outgoing(job.guardian(), GUARDIAN_DELAY_SECONDS)


_decoder = msgspec.json.Decoder(Job)
_encoder = msgspec.json.Encoder()


def serialize_job(job: Job) -> str:
    """Serialize a job as the body of a queue message."""
    return escape_for_sqs(_encoder.encode(job).decode())


def parse_job(body: str) -> Job:
    """Parse the body of a queue message.

    Raises:
        RequestError: it is not a job of this version.

    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise RequestError(f"A queue message is not a job: {exc}.", code=ErrorCode.INVALID_MESSAGE) from exc
