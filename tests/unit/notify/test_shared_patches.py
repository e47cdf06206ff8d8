"""One patch for all shards that are pushed to at about the same time."""

from __future__ import annotations

import asyncio
import json

import pytest

import push.topics.patches
from notify.shared_patches import SharedPatches
from push.topics.patches import Patch, make_patch


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    made: list[bytes] = []

    def note(old: bytes, new: bytes) -> Patch | None:
        made.append(new)
        return make_patch(old, new)

    monkeypatch.setattr(push.topics.patches, "make_patch", note)
    return made


def value(number: int) -> bytes:
    return json.dumps({"filler": "x" * 200, "number": number}).encode()


async def test_those_who_ask_at_the_same_time_get_the_same_patch(made: list[bytes]) -> None:
    patches = SharedPatches()
    first, *others = await asyncio.gather(*(patches(value(0), value(1)) for _ in range(4)))
    assert first is not None
    assert json.loads(first.body) == {"number": 1}
    assert all(other is first for other in others)
    assert await patches(value(0), value(1)) is first
    assert made == [value(1)]


async def test_only_the_latest_are_kept(made: list[bytes]) -> None:
    patches = SharedPatches()
    for number in range(1, 6):
        await patches(value(0), value(number))
    await patches(value(0), value(5))
    assert len(made) == 5
    await patches(value(0), value(1))
    assert len(made) == 6


async def test_who_no_longer_waits_takes_it_from_nobody() -> None:
    patches = SharedPatches()
    impatient = asyncio.create_task(patches(value(0), value(1)))
    patient = asyncio.create_task(patches(value(0), value(1)))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient is not None
    assert impatient.cancelled()
