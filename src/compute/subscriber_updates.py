"""Updates for the subscribers of a key: appended to its history, from which fan-out pushes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from push.cache.jobs import Waiter
from push.cache.ports import Leases
from push.errors import TransientError
from push.keys import Key
from push.protocol.ports import Payloads
from push.results import Result
from push.topics.fan_out_jobs import Nudge
from push.topics.live_results import entry_of
from push.topics.ports import FanOutJobSender, LiveHistories
from push.topics.topics import live_topic

logger = logging.getLogger(__name__)


class SubscriberUpdates(msgspec.Struct, frozen=True, kw_only=True):
    """Publishes results to subscribers for one execution environment.

    All subscribers of a key are one waiter (`push.cache.jobs.live_waiter`), handled like any other: it stays parked
    until it is answered, a worker that takes over finds it, and it gets another job if a result is too old for it.

    Args:
        leases: where the waiter is parked.
        histories: receive the results.
        payloads: store large values.
        fan_out: the queue that pushes.

    """

    leases: Leases
    histories: LiveHistories
    payloads: Payloads
    fan_out: FanOutJobSender

    async def publish(self, key: Key, token: str, waiters: Sequence[Waiter], result: Result) -> None:
        """Append a result to the key's history under the lease held by `token`, and settle the subscribers' waiters.

        Raises:
            TransientError: the lease was lost, or a service did not answer. The waiters stay parked for a retry.

        """
        entry = entry_of(key, result)
        if entry.payload:
            await asyncio.to_thread(self.payloads.put, entry.payload, result.data)
        only_changed = not any(waiter.lacks_value for waiter in waiters)
        # The lease keeps other results out, so the history has the order of the fills.
        if not await self.histories.append(key, token, entry.message, only_changed=only_changed):
            raise TransientError(f"The lease of {key.storage} was lost before its result was published.")
        # Also for a result that was in the history already: the worker that appended it may have died before this.
        await asyncio.to_thread(self.fan_out.send, [Nudge(live_topic(key).storage)])
        await self.leases.settle(key, waiters)

    async def give_up(self, key: Key, waiters: Sequence[Waiter]) -> None:
        """Settle the subscribers' waiters without a result; the next fill of the key reaches them anyway.

        Raises:
            CacheUnavailableError: the waiters may still be parked.

        """
        logger.error("the subscribers of %s miss a change: its compute failed in every attempt", key.storage)
        await self.leases.settle(key, waiters)
