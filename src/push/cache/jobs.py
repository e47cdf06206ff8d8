"""Jobs: what the compute queue carries. A job names a compute and params, and who waits for the result."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Self

import msgspec

from push.computes import Tenant
from push.errors import ErrorCode, RequestError
from push.queues.escaping import escape_for_sqs

LEASE_TERM_MS = 4000
"""How long the right to compute a key lasts unless its holder renews it, which it does three times a term."""

GUARDIAN_DELAY_SECONDS = 5
"""A little over a lease's term: when the guardian arrives, a dead worker's lease has ended."""


class Waiter(msgspec.Struct, frozen=True, array_like=True):
    """A request parked on a key.

    `newer_than_ms` is 0 unless the caller refused older results: the one that answers must be computed after it.
    One request may be parked twice, if it was asked anew; it is answered once all the same. `accept` is what the
    request itself said that it reads, as `large_answers.parse_accept` returns it. A durable request has a `tenant` and
    no connection: it is answered in its record. With neither it stands for whoever subscribes to the key: they are
    answered in the key's history.
    """

    connection_id: str
    request_id: str
    newer_than_ms: int = 0
    accept: str = ""
    tenant: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it stands for the subscribers of a key."""
        return not self.connection_id and not self.tenant


def live_waiter(newer_than_ms: int = 0) -> Waiter:
    """Return what stands for the subscribers of a key, who are to be told of a result that is as new as that."""
    return Waiter("", "", newer_than_ms)


NO_DEADLINE_MS = 9_000_000_000_000_000
"""The deadline of who stands for subscribers: later than any other, and a number that Lua can hold."""


class JobKind(enum.StrEnum):
    """Why a job was sent."""

    REQUEST = "request"
    """Somebody waits."""
    REFRESH = "refresh"
    """Nobody waits: a stale result was answered."""
    GUARDIAN = "guardian"
    """Sent with a delay beside a request's job: takes over if that one's worker died."""
    LIVE = "live"
    """Somebody subscribes: a source changed, or there is no result yet. Done as a refresh is, and tried again."""


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the compute queue.

    `token` is the fencing token under which the lease was queued, `attempt` counts from 1. The waiter that caused
    the job and its deadline travel with it, so that it is answered even if Redis forgets everything. A refresh is
    done once a result computed after `newer_than_ms` is stored.
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

    def guardian(self) -> Self:
        """Return the job that watches over this one."""
        return msgspec.structs.replace(self, kind=JobKind.GUARDIAN)

    def next_attempt(self) -> Self:
        """Return this job for the attempt after this one."""
        return msgspec.structs.replace(self, attempt=self.attempt + 1)

    def follow_up(self) -> Self:
        """Return a job for those whom this one's result did not suit."""
        return msgspec.structs.replace(self, kind=JobKind.REQUEST, attempt=1, waiter=None, deadline_ms=0)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A job to send, not to be seen before `delay_seconds` have passed."""

    job: Job
    delay_seconds: int = 0


def with_guardian(job: Job) -> tuple[Outgoing, Outgoing]:
    """Return a job and its guardian, to be sent in one call."""
    return Outgoing(job), Outgoing(job.guardian(), GUARDIAN_DELAY_SECONDS)


_decoder = msgspec.json.Decoder(Job)
_encoder = msgspec.json.Encoder()


def serialize_job(job: Job) -> str:
    """Write a job as a queue message's body."""
    return escape_for_sqs(_encoder.encode(job).decode())


def parse_job(body: str) -> Job:
    """Read a queue message's body.

    Raises:
        RequestError: it is not a job of this version.

    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise RequestError(f"A queue message is not a job: {exc}.", code=ErrorCode.INVALID_MESSAGE) from exc
