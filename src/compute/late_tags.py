"""Tags that only a run names, linked to the subscribers of its result.

A subscription links the tags that are known from the params (`push.topics.ports.Subscriptions.add_live`). Those that a
compute names while it runs are known here first.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from compute.computing import Computing, Task
from push.cache.ports import Claimed, Leases
from push.results import Result
from push.topics.ports import LiveLinks
from push.topics.subscriptions import LiveResult, subscribed_until


class LateTags(msgspec.Struct, frozen=True, kw_only=True):
    """Links late tags for one execution environment.

    Args:
        computing: knows which tags were known before the run.
        leases: tells whether a change came before the link.
        links: the tags of live results.
        now_ms: the clock, in milliseconds since 1970.

    """

    computing: Computing
    leases: Leases
    links: LiveLinks
    now_ms: Callable[[], int]

    async def link(self, task: Task, claimed: Claimed, result: Result) -> bool:
        """Link the late tags of a stored result; return False if a change may have come before the link.

        Such a change marked the result stale, but found no subscribers, so the caller computes for them again. A
        change after the link finds them.

        Raises:
            TransientError: a service did not answer.

        """
        late = frozenset(result.tags) - frozenset(self.computing.tags_of(task))
        if not late:
            return True
        job = task.job
        principal = "" if task.key.principal is None else job.principal
        until = subscribed_until(self.now_ms())
        await self.links.add(late, LiveResult(task.key, job.tenant, job.params, until, principal))
        return await self.leases.read_generation(task.key) == claimed.generation
