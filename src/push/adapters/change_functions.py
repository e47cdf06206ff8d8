"""Calls of the functions registered with `@changes_of`: async ones on the event loop, plain ones on a thread."""

from __future__ import annotations

import asyncio

from push.changes.declaring import ChangeFunction
from push.changes.records import ChangeRecord, read_tags
from push.tags import TagScope

_SECONDS = 10.0
"""The time limit of a call, well below that of the function for a whole batch."""


async def ask(function: ChangeFunction, record: ChangeRecord) -> list[tuple[str, TagScope]]:
    """Return the tags that a function names for a change, each with its scope.

    Raises what the function raises; TimeoutError after ten seconds; and TypeError or ValueError if what it returned
    can't be tags.
    """
    async with asyncio.timeout(_SECONDS):
        if function.is_blocking:
            return await asyncio.to_thread(lambda: read_tags(function(record)))
        return read_tags(await function(record))
