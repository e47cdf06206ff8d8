"""Batches of the compute queue: grouped by key, suspects last and one at a time, failures reported one by one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from compute.computing import Task
from compute.dispositions import Disposition
from compute.key_work import KeyWorker
from push.cache.jobs import (
    GUARDIAN_DELAY_SECONDS,
    NO_DEADLINE_MS,
    Job,
    JobKind,
    Outgoing,
    Waiter,
    live_waiter,
    parse_job,
)
from push.cache.ports import JobSender
from push.computes import Registry
from push.errors import QueueUnavailableError, RequestError, TransientError
from push.keys import Key, make_key
from push.queues.bodies import INLINE_BODIES
from push.queues.ports import QueueBodies
from push.queues.redelivery import Redelivery

_LATER_RECEIVES = 3
"""Jobs that need Redis while it is away are sent again with the backoff of this many receives: up to 4 s."""

logger = logging.getLogger(__name__)


class Message(msgspec.Struct, frozen=True):
    """A received queue message; `receive_count` counts from 1."""

    message_id: str
    receipt: str
    body: str
    receive_count: int


def parse_event(event: Mapping[str, Any]) -> list[Message]:
    """Read the Lambda event of a batch of SQS messages."""
    return [
        Message(
            message_id=record["messageId"],
            receipt=record["receiptHandle"],
            body=record["body"],
            receive_count=int(record["attributes"]["ApproximateReceiveCount"]),
        )
        for record in event["Records"]
    ]


class _Parsed(msgspec.Struct, frozen=True):
    message: Message
    task: Task


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """Consumes batches for one execution environment.

    Args:
        registry: the computes on offer.
        worker: runs the tasks of one key.
        redelivery: decides when failed messages are redelivered.
        jobs: sends jobs to the queue.
        bodies: unpacks message bodies.

    """

    registry: Registry
    worker: KeyWorker
    redelivery: Redelivery
    jobs: JobSender
    bodies: QueueBodies = INLINE_BODIES

    async def consume(self, messages: Sequence[Message]) -> list[str]:
        """Process a batch, and return the ids of the messages to redeliver.

        Keys run concurrently, except suspects, whose earlier workers may have died of them. Suspects run last and one
        at a time, so that one of them cannot kill the rest of the batch.
        """
        read = await asyncio.gather(*map(self._read, messages))
        parsed = [each for each in read if isinstance(each, _Parsed)]
        failed = [each for each in read if isinstance(each, Message)]
        groups = _by_key(parsed)
        suspects = [group for group in groups if _is_suspect(group)]
        trusted = [group for group in groups if not _is_suspect(group)]
        failures = await asyncio.gather(*map(self._run_key, trusted))
        failures += await self._run_suspects(suspects)
        again = [*failed, *(message for group in failures for message in group)]
        await self._hide({each.receipt: self.redelivery.seconds(each.receive_count) for each in again})
        return [message.message_id for message in again]

    async def _read(self, message: Message) -> _Parsed | Message:
        """Resolve a message; return it unresolved if that fails: it is redelivered, and ends with the dead letters."""
        try:
            job = parse_job(await self.bodies.unpack(message.body))
            return _Parsed(message, self._resolve(job, message))
        except RequestError as exc:
            logger.warning("a message is not a job of this deployment: %s", exc.message)
        except TransientError as exc:
            logger.warning("a message is redelivered: %s", exc.message)
        return message

    def _resolve(self, job: Job, message: Message) -> Task:
        compute = self.registry.find(job.compute)
        key = make_key(job.tenant, compute, compute.parse_params(job.params), job.principal)
        # A guardian may be redelivered because of others in its batch, so only the chain of guardians counts attempts.
        is_guardian = job.kind is JobKind.GUARDIAN
        return Task(job, compute, key, job.attempt if is_guardian else job.attempt + message.receive_count - 1)

    async def _run_suspects(self, groups: Sequence[Sequence[_Parsed]]) -> list[list[Message]]:
        """Run one key after another; if one kills this worker, the queue redelivers those behind it soon.

        The deadly job itself stays hidden: its next guardian is on the way and continues its attempts.
        """
        again = []
        for index, group in enumerate(groups):
            behind = [each.message.receipt for other in groups[index + 1 :] for each in other]
            await self._hide(dict.fromkeys(behind, GUARDIAN_DELAY_SECONDS))
            again.append(await self._run_key(group))
        return again

    async def _run_key(self, group: Sequence[_Parsed]) -> list[Message]:
        """Run the jobs of a key, one token after another: only Redis knows which token the lease is queued under."""
        again = []
        for jobs in _by_token(group):
            again += await self._run_jobs(jobs)
        return again

    async def _run_jobs(self, group: Sequence[_Parsed]) -> list[Message]:
        """Run the jobs of one key and token; return their messages if they must be redelivered."""
        first = group[0].task
        waiters = _waiters_of(group)
        try:
            is_guarded = any(each.task.job.kind is JobKind.GUARDIAN for each in group)
            disposition = await self.worker.run(first, waiters, is_guarded=is_guarded)
        except TransientError as exc:
            logger.warning("%s is retried: %s", first.key.storage, exc.message)
            disposition = Disposition.AGAIN
        except Exception:
            # A defect of this function must not redeliver the rest of the batch.
            logger.exception("%s is retried", first.key.storage)
            disposition = Disposition.AGAIN
        if disposition is Disposition.LATER:
            disposition = await self._send_again(group)
        return [each.message for each in group] if disposition is Disposition.AGAIN else []

    async def _send_again(self, group: Sequence[_Parsed]) -> Disposition:
        """Send jobs as new messages: the queue gives up a message after a few receives, whatever their reason."""
        delay_seconds = self.redelivery.seconds(_LATER_RECEIVES)
        jobs = [Outgoing(replace(each.task.job, attempt=each.task.attempt), delay_seconds) for each in group]
        try:
            await asyncio.to_thread(self.jobs.send, jobs)
        except QueueUnavailableError as exc:
            logger.warning("jobs are redelivered instead: %s", exc.message)
            return Disposition.AGAIN
        return Disposition.DONE

    async def _hide(self, seconds_by_receipt: Mapping[str, int]) -> None:
        if seconds_by_receipt:
            await asyncio.to_thread(self.redelivery.hide, seconds_by_receipt)


def _by_key(parsed: Sequence[_Parsed]) -> list[list[_Parsed]]:
    """Group jobs by key: requests, then refreshes, then guardians, each with the latest attempt first."""
    groups: dict[Key, list[_Parsed]] = {}
    for each in parsed:
        groups.setdefault(each.task.key, []).append(each)
    order = list(JobKind)
    return [
        sorted(group, key=lambda each: (order.index(each.task.job.kind), -each.task.attempt))
        for group in groups.values()
    ]


def _by_token(group: Sequence[_Parsed]) -> list[list[_Parsed]]:
    tokens: dict[str, list[_Parsed]] = {}
    for each in group:
        tokens.setdefault(each.task.job.token, []).append(each)
    return list(tokens.values())


def _is_suspect(group: Sequence[_Parsed]) -> bool:
    """Say whether two attempts have died or failed."""
    task = group[0].task
    return task.attempt > (1 if task.job.kind is JobKind.GUARDIAN else 2)


def _waiters_of(group: Sequence[_Parsed]) -> dict[Waiter, int]:
    """Return the waiters that came with the jobs, and their deadlines; a guardian's waiter is parked or answered."""
    jobs = [each.task.job for each in group]
    live = {live_waiter(job.newer_than_ms): NO_DEADLINE_MS for job in jobs if job.kind is JobKind.LIVE}
    return live | {
        job.waiter: job.deadline_ms for job in jobs if job.waiter is not None and job.kind is JobKind.REQUEST
    }
