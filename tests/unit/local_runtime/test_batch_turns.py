"""Turns of batches: few while they are short, as many as are allowed while they are long."""

from __future__ import annotations

import asyncio

import pytest

from local.functions.idle_cores import IdleCores
from local.sources import batch_turns
from local.sources.batch_turns import PATIENCE_SECONDS, STANDSTILL_SECONDS, BatchTurns
from tests.fakes.virtual_time import run_virtually


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_turns, "FEWEST", 2)


def turns_of(most: int, *, idle: bool = True) -> BatchTurns:
    cores = IdleCores(read=lambda: None)
    cores.are_there = idle
    if not idle:
        cores.look = lambda: None  # type: ignore[method-assign]
    return BatchTurns(most, cores)


async def take_turns(turns: BatchTurns, count: int, seconds: float) -> tuple[int, float]:
    """Take turns one after another, each for so long; return the most at once, and when the last one began."""
    at_once = most = 0
    began = 0.0
    async with asyncio.TaskGroup() as group:

        async def hold() -> None:
            nonlocal at_once
            await asyncio.sleep(seconds)
            at_once -= 1
            turns.give_back()

        for _ in range(count):
            await turns.take()
            at_once += 1
            most, began = max(most, at_once), asyncio.get_running_loop().time()
            group.create_task(hold())
    return most, began


def test_short_batches_take_turns_by_twos() -> None:
    assert run_virtually(take_turns(turns_of(16), 50, 0.005))[0] == 2


def test_long_batches_are_soon_under_way_at_once_up_to_the_limit() -> None:
    most, began = run_virtually(take_turns(turns_of(16), 16, 10.0))
    assert most == 16
    assert began == pytest.approx(14 * PATIENCE_SECONDS, abs=0.001)


def test_where_no_core_is_idle_long_batches_are_let_in_slowly() -> None:
    most, began = run_virtually(take_turns(turns_of(16, idle=False), 4, 10.0))
    assert most == 4
    assert began == pytest.approx(2 * STANDSTILL_SECONDS, abs=0.05)


def test_the_limit_is_kept() -> None:
    most, began = run_virtually(take_turns(turns_of(3), 6, 10.0))
    assert most == 3
    assert began >= 10.0


def test_one_at_a_time_is_one_at_a_time() -> None:
    assert run_virtually(take_turns(turns_of(1), 5, 1.0))[0] == 1


def test_after_a_rest_there_are_few_again() -> None:
    async def scenario() -> int:
        turns = turns_of(16)
        await take_turns(turns, 16, 10.0)
        turns.rest()
        return (await take_turns(turns, 50, 0.005))[0]

    assert run_virtually(scenario()) == 2


def test_a_rest_takes_no_turn_away() -> None:
    async def scenario() -> float:
        turns, loop = turns_of(16), asyncio.get_running_loop()
        for _ in range(10):
            await turns.take()
        turns.rest()
        before = loop.time()
        await turns.take()
        return loop.time() - before

    assert run_virtually(scenario()) == pytest.approx(PATIENCE_SECONDS, abs=0.001)
