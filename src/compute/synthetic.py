"""The compute `synthetic`: values of any size, work time and outcome, for load and fault tests.

It is on offer only if the setting ALLOW_SYNTHETIC is true.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import Annotated, Literal

import msgspec

from push.computes import compute
from push.errors import ComputeFailedError, TransientError
from push.sources.contexts import Context

MAX_SIZE_BYTES = 6 * 1024 * 1024
MAX_WORK_MS = 20_000
CRASH_EXIT_CODE = 70


@compute(ttl=60.0, stale_ttl=300.0, timeout=25.0)
async def synthetic(
    context: Context,
    size_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_SIZE_BYTES)] = 1024,
    work_ms: Annotated[int, msgspec.Meta(ge=0, le=MAX_WORK_MS)] = 0,
    fail: Literal["never", "once", "always", "crash"] = "never",
    seed: int | Annotated[str, msgspec.Meta(max_length=64)] = 0,
) -> object:
    """Wait, then fail or return an object that depends only on size and seed.

    `once` fails the first attempt with a transient error, `always` fails with a deterministic one, and `crash` kills
    the process, as running out of memory does.
    """
    await asyncio.sleep(work_ms / 1000)
    match fail:
        case "once" if context.attempt == 1:
            raise TransientError("It failed once, as asked.")
        case "always":
            raise ComputeFailedError("It failed, as asked.")
        case "crash":
            os._exit(CRASH_EXIT_CODE)
    return msgspec.Raw(make_content(size_bytes, seed))


def make_content(size_bytes: int, seed: int | str) -> bytes:
    """Return a JSON object of exactly `size_bytes`, or about thirty bytes, the smallest that holds the seed.

    The text consists of hexadecimal digits, so compression halves it.
    """
    frame = msgspec.json.encode({"seed": seed, "text": ""})
    length = max(0, size_bytes - len(frame))
    text = hashlib.shake_256(repr(seed).encode()).hexdigest((length + 1) // 2)[:length]
    return frame[:-2] + text.encode() + frame[-2:]
