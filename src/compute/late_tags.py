"""Tags that only a run names, linked to the subscribers of its result.

A subscription links the tags that are known from the params (`push.topics.ports.Subscriptions.add_live`). Those that a
compute names while it runs are known here first.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection

import msgspec

from compute.computing import Computing, Task
from push.cache.ports import Claimed, Leases
from push.results import Result
from push.topics.ports import LinkMarks, LiveLinks
from push.topics.subscriptions import LiveResult, linked_until


class LateTags(msgspec.Struct, frozen=True, kw_only=True):
    """Links late tags for one execution environment.

    Args:
        computing: knows which tags were known before the run.
        leases: tells whether a change came before the link.
        links: the tags of live results.
        marks: tell which links are there already; most results have the tags of the one before.
        now_ms: the clock, in milliseconds since 1970.

    """

    computing: Computing
    leases: Leases
    links: LiveLinks
    marks: LinkMarks
    now_ms: Callable[[], int]

    async def link(self, task: Task, claimed: Claimed, result: Result) -> bool:
        """Link the late tags of a stored result; return False if a change may have come before the link.

        Such a change marked the result stale, but found no subscribers, so the caller computes for them again. A
        change after the link finds them. That holds for links that were there before, too: another worker may have
        written them a moment ago, so the generation is read in the same step as the mark that names them.

        Raises:
            TransientError: a service did not answer.

        """
        late = frozenset(result.tags) - frozenset(self.computing.tags_of(task))
        if not late:
            return True
        mark, digest = await self.marks.read(task.key), _digest(late)
        if mark.digest == digest:
            return mark.generation == claimed.generation
        await self._write(task, late, digest)
        return await self.leases.read_generation(task.key) == claimed.generation

    async def _write(self, task: Task, late: Collection[str], digest: str) -> None:
        job, token = task.job, f"linking {secrets.token_hex(8)}"
        principal = "" if task.key.principal is None else job.principal
        live = LiveResult(task.key, job.tenant, job.params, linked_until(self.now_ms()), principal)
        await self.marks.begin(task.key, token)
        await self.links.add(late, live)
        await self.marks.confirm(task.key, token, digest)


def _digest(tags: Collection[str]) -> str:
    return hashlib.sha256("\n".join(sorted(tags)).encode()).hexdigest()
