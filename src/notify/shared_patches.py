"""Patches made in a thread, once for all shards of a topic's subscribers that one execution environment pushes to."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from push.topics.patches import Patch

_REMEMBERED = 4
"""Shards are pushed to at the same time, or soon after each other. Two values of up to 96 KB are kept with each."""


class SharedPatches:
    """`push.topics.patched_updates.MakePatch`, which makes a patch once for all who ask for it about the same time."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[bytes, bytes], asyncio.Task[Patch | None]] = OrderedDict()

    async def __call__(self, old: bytes, new: bytes) -> Patch | None:
        """Return what `push.topics.patches.make_patch` does."""
        making = self._made.get((old, new))
        if making is None:
            making = self._made[old, new] = asyncio.create_task(asyncio.to_thread(_make, old, new))
            if len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        # Who no longer waits must not take it from the others.
        return await asyncio.shield(making)


def _make(old: bytes, new: bytes) -> Patch | None:
    # Here, for it takes 34 ms, and most who fan out never make a patch.
    from push.topics.patches import make_patch

    return make_patch(old, new)
