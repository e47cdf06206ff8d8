"""How those are told who subscribe to a key: in its history, from where fan-out pushes to all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberUpdates:
    """Tells subscribers for one execution environment.

    Subscribers are one of a key's waiters (`push.cache.jobs.live_waiter`) and as safe as any: parked until they are
    told, found by the worker that takes over from one that died, and given another job if a result is not as new as
    they need.

    Args:
        leases: where they are parked.
        histories: what is appended to.
        payloads: where large values are put.
        fan_out: what is told that there is something new.

    """

    leases: Leases
    histories: LiveHistories
    payloads: Payloads
    fan_out: FanOutJobSender

    async def answer(self, key: Key, token: str, waiters: Sequence[Waiter], result: Result) -> None:
        """Append a result that was filled, or found, under the lease held by `token`, and settle who waits for it.

        Raises:
            TransientError: the lease was lost, or something did not answer. They stay parked; it can be done again.

        """
        entry = entry_of(key, result)
        if entry.payload:
            await asyncio.to_thread(self.payloads.put, entry.payload, result.data)
        # Under the lease no other result can come in between, so a history's order is that of the fills.
        if not await self.histories.append(key, token, entry.message):
            raise TransientError(f"The lease of {key.storage} was lost before its subscribers were told.")
        # Also for what stood there before: whoever appended it may have died before this.
        await asyncio.to_thread(self.fan_out.send, [Nudge(live_topic(key).storage)])
        await self.leases.settle(key, waiters)

    async def give_up(self, key: Key, waiters: Sequence[Waiter]) -> None:
        """Settle those who can't be told now; what is computed of the key next is for them too.

        Raises:
            CacheUnavailableError: they may still be parked.

        """
        logger.error("the subscribers of %s are not told of a change: its compute failed at every attempt", key.storage)
        await self.leases.settle(key, waiters)
