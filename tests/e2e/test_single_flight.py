"""Ten thousand requests for one key, over two hundred sockets and all workers: one compute."""

from __future__ import annotations

import time
import uuid

import pytest

from benchmarks._one_key import ask_at_once, ask_evenly, ask_once, count_computes, open_sockets
from tests.e2e.conftest import Stack

pytestmark = pytest.mark.slow

REQUESTS, SOCKETS = 10_000, 200
BOARD = {"action": "request", "compute": "leaderboard", "params": {"board": "demo", "top": 20}}
TTL_SECONDS = 5.0


async def test_ten_thousand_requests_for_a_cold_key_are_each_answered_by_one_compute(stack: Stack) -> None:
    params = {"size_bytes": 200, "work_ms": 2000, "seed": uuid.uuid4().hex}
    question = {"action": "request", "compute": "synthetic", "params": params}
    before = await count_computes(stack.http, "synthetic")
    async with open_sockets(stack.websocket, SOCKETS) as sockets:
        answers = await ask_at_once(sockets, question, REQUESTS)
    assert await count_computes(stack.http, "synthetic") - before == 1
    assert (answers.results, answers.errors, answers.repeated) == (REQUESTS, {}, 0)
    assert len(answers.etags) == 1


async def test_nobody_waits_when_a_hot_key_expires_and_it_is_refreshed_once(stack: Stack) -> None:
    async with open_sockets(stack.websocket, SOCKETS) as sockets:
        # A first compute loads modules, and takes so long that its result would be refreshed much earlier.
        await ask_once(sockets[0], {**BOARD, "params": {"board": "demo"}})
        await ask_once(sockets[0], BOARD)
        before = await count_computes(stack.http, "leaderboard")
        unavailable_before = times_unavailable(stack)
        began = time.monotonic()
        answers = await ask_evenly(sockets, BOARD, REQUESTS, 1.3 * TTL_SECONDS)
        lasted_seconds = time.monotonic() - began
    # A busy machine needs longer, in which the key may expire again.
    assert 1 <= await count_computes(stack.http, "leaderboard") - before <= lasted_seconds // TTL_SECONDS
    assert (answers.results, answers.errors, answers.repeated) == (REQUESTS, {}, 0)
    # On a machine too busy for Redis to answer in time, a request that found no Redis has to wait for its answer.
    assert answers.accepted <= times_unavailable(stack) - unavailable_before


def times_unavailable(stack: Stack) -> float:
    return sum(metric["sum"] for metric in stack.stats()["metrics"] if metric["name"] == "CacheUnavailable")
