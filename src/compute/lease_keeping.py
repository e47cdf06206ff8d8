"""Renewing a lease while its compute runs, and answering the waiters whose deadline passes meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from compute.computing import Computing, Task
from push.cache.jobs import LEASE_TERM_MS, Waiter
from push.cache.ports import Claimed, Leases
from push.delivery.waiter_answers import WaiterAnswers
from push.errors import CacheUnavailableError, ErrorCode, PushasideError
from push.keys import Key
from push.metrics import Counter, Metric
from push.results import Result
from push.sources.tracking import TagWatch

logger = logging.getLogger(__name__)


class LeaseKeeper(msgspec.Struct, frozen=True, kw_only=True):
    """Runs computes under leases for one execution environment.

    Args:
        computing: runs computes.
        leases: renewed three times a term.
        answers: sends `timeout` to waiters.
        counter: counts the waiters that timed out.
        now_ms: the clock, in milliseconds since 1970.

    """

    computing: Computing
    leases: Leases
    answers: WaiterAnswers
    counter: Counter
    now_ms: Callable[[], int]

    async def compute(self, task: Task, claimed: Claimed, expired: set[Waiter], watch: TagWatch) -> Result:
        """Compute while renewing the lease; add waiters whose deadline passes meanwhile to `expired`.

        `watch` watches the tags of what the run reads.

        Raises:
            TransientError: the compute failed and a retry may succeed, or it took too long.

        """
        is_done = asyncio.Event()
        keeping = asyncio.create_task(self._keep(task.key, claimed, is_done, expired))
        try:
            stored_version = 0 if claimed.result is None else claimed.result.source_version
            return await self.computing.compute(task, stored_version, watch)
        finally:
            # Not cancelled: it may be sending a `timeout` to a waiter.
            is_done.set()
            await keeping

    async def _keep(self, key: Key, claimed: Claimed, is_done: asyncio.Event, expired: set[Waiter]) -> None:
        deadline_ms = claimed.next_deadline_ms
        while not await _is_set_within(is_done, self._until_next_renewal(deadline_ms)):
            try:
                deadline_ms = await self._renew(key, claimed, expired)
            except CacheUnavailableError as exc:
                logger.warning("a lease was not renewed: %s", exc.message)
                deadline_ms = 0

    async def _renew(self, key: Key, claimed: Claimed, expired: set[Waiter]) -> int:
        """Renew the lease, answer the waiters whose deadline has passed, and return the next deadline."""
        renewed = await self.leases.renew(key, claimed.token, LEASE_TERM_MS, self.now_ms())
        if renewed.expired:
            self.counter.count(Metric.TIMED_OUT, len(renewed.expired))
            expired.update(renewed.expired)
            await self.answers.refuse(key, renewed.expired, PushasideError(code=ErrorCode.TIMEOUT))
        return renewed.next_deadline_ms

    def _until_next_renewal(self, deadline_ms: int) -> float:
        """Return the seconds until the next renewal or the next deadline, whichever comes first."""
        wait_ms = LEASE_TERM_MS // 3
        if deadline_ms:
            wait_ms = max(0, min(wait_ms, deadline_ms - self.now_ms() + 1))
        return wait_ms / 1000


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
