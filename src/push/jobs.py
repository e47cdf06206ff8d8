"""Jobs: what the compute queue carries. A job names a compute and params, and who waits for the result."""

from __future__ import annotations

import enum
from typing import Self

import msgspec

from push.computes import Tenant
from push.errors import ErrorCode, RequestError


class Waiter(msgspec.Struct, frozen=True, array_like=True):
    """A request parked on a key.

    `newer_than_ms` is 0 unless the caller refused older results: the one that answers must be computed after it.
    Two askings of one request over one connection are one waiter.
    """

    connection_id: str
    request_id: str
    newer_than_ms: int = 0


class JobKind(enum.StrEnum):
    """Why a job was sent."""

    REQUEST = "request"
    """Somebody waits."""
    REFRESH = "refresh"
    """Nobody waits: a stale result was answered."""
    GUARDIAN = "guardian"
    """Sent with a delay beside a request's job: takes over if that one's worker died."""


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the compute queue.

    `token` is the fencing token under which the lease was queued, `attempt` counts from 1. The waiter that caused
    the job and its deadline travel with it, so that it is answered even if Redis forgets everything.
    """

    kind: JobKind
    tenant: Tenant
    compute: str
    params: msgspec.Raw
    token: str
    attempt: int = 1
    waiter: Waiter | None = None
    deadline_ms: int = 0

    def guardian(self) -> Self:
        """Return the job that watches over this one."""
        return msgspec.structs.replace(self, kind=JobKind.GUARDIAN)


_decoder = msgspec.json.Decoder(Job)
_encoder = msgspec.json.Encoder()


def serialize_job(job: Job) -> str:
    """Write a job as a queue message's body."""
    return _encoder.encode(job).decode()


def parse_job(body: str) -> Job:
    """Read a queue message's body.

    Raises:
        RequestError: it is not a job of this version.

    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise RequestError(f"A queue message is not a job: {exc}.", code=ErrorCode.INVALID_MESSAGE) from exc
