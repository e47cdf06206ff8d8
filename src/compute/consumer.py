"""Batches of the compute queue: one work item per key, suspects last and alone, failures reported one by one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from compute.computing import KeyJob
from compute.key_work import Disposition, KeyWorker
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
"""What can't be done while Redis is away comes anew after as long as what has come so many times: up to 4 s."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """A received queue message; `receive_count` counts from 1."""

    message_id: str
    receipt: str
    body: str
    receive_count: int


def parse_event(event: Mapping[str, Any]) -> list[Message]:
    """Read the event that Lambda makes of a batch of SQS messages."""
    return [
        Message(
            message_id=record["messageId"],
            receipt=record["receiptHandle"],
            body=record["body"],
            receive_count=int(record["attributes"]["ApproximateReceiveCount"]),
        )
        for record in event["Records"]
    ]


@dataclass(frozen=True, slots=True)
class _Parsed:
    message: Message
    work: KeyJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Consumes batches for one execution environment.

    Args:
        registry: the computes on offer.
        worker: works on one key.
        redelivery: when messages that failed are seen again.
        jobs: the queue's entrance, for what is to come anew.
        bodies: makes documents of messages' bodies.

    """

    registry: Registry
    worker: KeyWorker
    redelivery: Redelivery
    jobs: JobSender
    bodies: QueueBodies = INLINE_BODIES

    async def consume(self, messages: Sequence[Message]) -> list[str]:
        """Work on a batch and return the ids of the messages that are to come back.

        Keys are worked on side by side, but for those whose worker may have died of them: these come last and one
        after another, so that one deadly job can't take the rest of the batch with it.
        """
        read = await asyncio.gather(*map(self._read, messages))
        parsed = [each for each in read if isinstance(each, _Parsed)]
        failed = [each for each in read if isinstance(each, Message)]
        groups = _by_key(parsed)
        suspects = [group for group in groups if _is_suspect(group)]
        trusted = [group for group in groups if not _is_suspect(group)]
        failures = await asyncio.gather(*map(self._work, trusted))
        failures += await self._work_on_suspects(suspects)
        again = [*failed, *(message for group in failures for message in group)]
        await self._hide({each.receipt: self.redelivery.seconds(each.receive_count) for each in again})
        return [message.message_id for message in again]

    async def _read(self, message: Message) -> _Parsed | Message:
        """Resolve a message; one that can't be is returned: it is tried a few times, and ends with the dead letters."""
        try:
            job = parse_job(await self.bodies.unpack(message.body))
            return _Parsed(message, self._resolve(job, message))
        except RequestError as exc:
            logger.warning("a message is no job of this deployment: %s", exc.message)
        except TransientError as exc:
            logger.warning("a message comes back: %s", exc.message)
        return message

    def _resolve(self, job: Job, message: Message) -> KeyJob:
        compute = self.registry.find(job.compute)
        key = make_key(job.tenant, compute, compute.parse_params(job.params))
        # A guardian may come back because of others in its batch: deaths are counted along the chain of guardians.
        is_guardian = job.kind is JobKind.GUARDIAN
        return KeyJob(job, compute, key, job.attempt if is_guardian else job.attempt + message.receive_count - 1)

    async def _work_on_suspects(self, groups: Sequence[Sequence[_Parsed]]) -> list[list[Message]]:
        """Work on one key after another; should one be deadly, those behind it come back soon.

        The deadly one itself stays hidden: its next guardian is on the way, and is the one that counts.
        """
        again = []
        for index, group in enumerate(groups):
            behind = [each.message.receipt for other in groups[index + 1 :] for each in other]
            await self._hide(dict.fromkeys(behind, GUARDIAN_DELAY_SECONDS))
            again.append(await self._work(group))
        return again

    async def _work(self, group: Sequence[_Parsed]) -> list[Message]:
        """Work on one key, for one token after another: only Redis knows for which of them the lease is queued."""
        again = []
        for jobs in _by_token(group):
            again += await self._work_on(jobs)
        return again

    async def _work_on(self, group: Sequence[_Parsed]) -> list[Message]:
        """Work on jobs of one key and token; return their messages if they are to come back."""
        first = group[0].work
        waiters = _waiters_of(group)
        try:
            is_guarded = any(each.work.job.kind is JobKind.GUARDIAN for each in group)
            disposition = await self.worker.work(first, waiters, is_guarded=is_guarded)
        except TransientError as exc:
            logger.warning("%s is tried again: %s", first.key.storage, exc.message)
            disposition = Disposition.AGAIN
        except Exception:
            # A fault of ours: the rest of the batch must not come back because of it.
            logger.exception("%s is tried again", first.key.storage)
            disposition = Disposition.AGAIN
        if disposition is Disposition.LATER:
            disposition = await self._send_anew(group)
        return [each.message for each in group] if disposition is Disposition.AGAIN else []

    async def _send_anew(self, group: Sequence[_Parsed]) -> Disposition:
        """Send jobs as new messages: the queue gives up those that have come a few times, for whatever reason."""
        delay_seconds = self.redelivery.seconds(_LATER_RECEIVES)
        jobs = [Outgoing(replace(each.work.job, attempt=each.work.attempt), delay_seconds) for each in group]
        try:
            await asyncio.to_thread(self.jobs.send, jobs)
        except QueueUnavailableError as exc:
            logger.warning("jobs come back instead: %s", exc.message)
            return Disposition.AGAIN
        return Disposition.DONE

    async def _hide(self, seconds_by_receipt: Mapping[str, int]) -> None:
        if seconds_by_receipt:
            await asyncio.to_thread(self.redelivery.hide, seconds_by_receipt)


def _by_key(parsed: Sequence[_Parsed]) -> list[list[_Parsed]]:
    """Group jobs of one key: a request's before a refresh's and a guardian's, and of these the latest first."""
    groups: dict[Key, list[_Parsed]] = {}
    for each in parsed:
        groups.setdefault(each.work.key, []).append(each)
    order = list(JobKind)
    return [
        sorted(group, key=lambda each: (order.index(each.work.job.kind), -each.work.attempt))
        for group in groups.values()
    ]


def _by_token(group: Sequence[_Parsed]) -> list[list[_Parsed]]:
    tokens: dict[str, list[_Parsed]] = {}
    for each in group:
        tokens.setdefault(each.work.job.token, []).append(each)
    return list(tokens.values())


def _is_suspect(group: Sequence[_Parsed]) -> bool:
    """Two attempts came to nothing, by death or failure."""
    work = group[0].work
    return work.attempt > (1 if work.job.kind is JobKind.GUARDIAN else 2)


def _waiters_of(group: Sequence[_Parsed]) -> dict[Waiter, int]:
    """Return who came with the jobs, and their deadlines. Who comes with a guardian has been answered long since."""
    jobs = [each.work.job for each in group]
    live = {live_waiter(job.newer_than_ms): NO_DEADLINE_MS for job in jobs if job.kind is JobKind.LIVE}
    return live | {
        job.waiter: job.deadline_ms for job in jobs if job.waiter is not None and job.kind is JobKind.REQUEST
    }
