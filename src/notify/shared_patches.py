"""Patches made in a thread, and shared by all shards of a topic that one execution environment pushes to."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from push.topics.patches import Patch

_REMEMBERED = 4
"""Shards are pushed at about the same time, so few patches suffice. Each keeps two values of up to 96 KB."""


class SharedPatches:
    """`push.topics.patched_updates.MakePatch`, which makes each patch once for all shards."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[bytes, bytes], asyncio.Task[Patch | None]] = OrderedDict()

    async def __call__(self, old: bytes, new: bytes) -> Patch | None:
        """Return the patch as `push.topics.patches.make_patch` does."""
        making = self._made.get((old, new))
        if making is None:
            making = self._made[old, new] = asyncio.create_task(asyncio.to_thread(_make, old, new))
            if len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        # A cancelled shard must not cancel the patch of the others.
        return await asyncio.shield(making)


def _make(old: bytes, new: bytes) -> Patch | None:
    # Imported here because the import takes 34 ms, and most environments never make a patch.
    from push.topics.patches import make_patch

    return make_patch(old, new)
