"""Events run in as many environments as they need, and none waits behind a slow one."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.functions import pool as function_pool
from local.functions.idle_cores import IdleCores
from local.functions.invocation import Outcome
from tests.integration.local_runtime.function_services import FunctionService
from tests.patience import PATIENCE_SECONDS


@dataclass(frozen=True)
class Door:
    """What slow events wait for: however slow the machine is, they end only after it was opened."""

    folder: Path

    def event(self, *, spin: bool = False) -> dict[str, object]:
        return {"do": "hold", "notes": str(self._notes), "until": str(self._until), "spin": spin}

    async def until_waiting(self, events: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            # Other processes write it: there is no event.
            while not self._notes.exists() or len(self._notes.read_text().splitlines()) < events:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def open(self) -> None:
        self._until.touch()

    @property
    def _notes(self) -> Path:
        return self.folder / "waiting"

    @property
    def _until(self) -> Path:
        return self.folder / "open"


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


async def test_an_environment_runs_one_event_at_a_time(start, tmp_path: Path) -> None:
    service = await start(limit=1)
    notes = str(tmp_path / "notes")
    began = time.monotonic()
    await asyncio.gather(*(service.begin(do="note", file=notes, name=str(n), seconds=0.2) for n in range(3)))
    assert time.monotonic() - began >= 0.6


async def test_short_events_share_a_busy_environment(service: FunctionService) -> None:
    answers = await asyncio.gather(*(service.do() for _ in range(500)))
    assert len({answer["pid"] for answer in answers}) == len(service.pids) == 1


async def test_events_are_spread_over_the_warm_environments(start) -> None:
    service = await start(warm=2)
    await asyncio.gather(*(service.do() for _ in range(20)))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len({answer["pid"] for answer in await asyncio.gather(*(service.do() for _ in range(20)))}) < 2:
            pass


async def test_without_warm_environments_the_first_event_starts_one(start) -> None:
    service = await start(warm=0)
    assert service.pids == set()
    first = await service.do()
    service.pool.reap()
    assert (await service.do())["pid"] == first["pid"]
    assert service.pids == {first["pid"]}


async def test_a_function_that_never_ran_is_not_started_to_replace_its_code(start) -> None:
    service = await start(warm=0)
    assert await service.pool.replace() is None
    assert service.pids == set()


@pytest.mark.parametrize("spin", [True, False], ids=["spin", "sleep"])
async def test_a_slow_event_does_not_delay_those_sent_with_it(start, door: Door, spin: bool) -> None:
    service = await start(warm=2)
    await asyncio.gather(*(service.do() for _ in range(20)))
    slow_one = service.begin(**door.event(spin=spin))
    await asyncio.gather(*(service.do() for _ in range(50)))
    assert not slow_one.done()
    door.open()
    await slow_one


async def test_with_one_environment_another_is_started_for_what_waits_behind_a_slow_event(service, door: Door) -> None:
    await service.do()
    slow_one = service.begin(**door.event(spin=True))
    await asyncio.gather(*(service.do() for _ in range(10)))
    assert not slow_one.done()
    assert len(service.pids) > 1
    door.open()
    await slow_one


def without_idle_cores(service: FunctionService, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(IdleCores, "look", lambda _: None)
    service.functions._cores.are_there = False


async def test_no_process_is_started_while_no_core_is_idle_and_events_are_taken(
    start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_pool, "STANDSTILL_SECONDS", 60.0)
    service = await start()
    without_idle_cores(service, monkeypatch)
    await asyncio.gather(*(service.begin(do="spin", seconds=0.1) for _ in range(5)))
    assert len(service.pids) == 1


async def test_even_so_one_is_started_when_nothing_that_waits_has_been_taken_for_long(
    service: FunctionService, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.do()
    without_idle_cores(service, monkeypatch)
    slow_one = service.begin(**door.event(spin=True))
    await service.do()
    assert not slow_one.done()
    assert len(service.pids) > 1
    door.open()
    await slow_one


async def test_an_answer_is_not_held_back_by_the_slow_event_after_it(start, door: Door) -> None:
    service = await start(limit=1)
    await service.do()
    quick, slow_one = service.begin(), service.begin(**door.event(spin=True))
    await quick
    assert not slow_one.done()
    door.open()
    await slow_one


async def test_what_was_taken_back_from_a_slow_environment_runs_exactly_once(start, tmp_path: Path) -> None:
    service = await start(warm=2, limit=3)
    await service.do()
    notes = tmp_path / "notes"
    names = [f"{n}" for n in range(60)]
    seconds = [0.15 if n % 20 == 0 else 0 for n in range(60)]
    await asyncio.gather(
        *(service.do(do="note", file=str(notes), name=n, seconds=s) for n, s in zip(names, seconds, strict=True))
    )
    assert sorted(line.split()[0] for line in notes.read_text().splitlines()) == sorted(names)


async def test_slow_events_run_side_by_side(start, door: Door) -> None:
    service = await start(warm=3)
    await asyncio.gather(*(service.do() for _ in range(20)))
    slow_ones = [service.begin(**door.event()) for _ in range(3)]
    await door.until_waiting(3)
    door.open()
    await asyncio.gather(*slow_ones)


async def test_at_the_machines_limit_events_wait(start) -> None:
    service = await start(warm=2, limit=2)
    events = [service.begin(do="note", file=os.devnull, name="x", seconds=0.1) for _ in range(8)]
    outcomes = {(await event).outcome for event in events}
    assert outcomes == {Outcome.RETURNED}
    assert len(service.pids) == 2


async def test_beyond_the_functions_reserved_concurrency_events_are_throttled(start) -> None:
    service = await start(warm=2, reserved_concurrency=2)
    events = [service.begin(do="note", file=os.devnull, name="x", seconds=0.1) for _ in range(5)]
    outcomes = [(await event).outcome for event in events]
    assert outcomes.count(Outcome.RETURNED) == 2
    assert outcomes.count(Outcome.THROTTLED) == 3


async def test_a_function_without_any_concurrency_is_always_throttled(start) -> None:
    service = await start(reserved_concurrency=0)
    outcome, error = await service.fail()
    assert outcome is Outcome.THROTTLED
    assert error["errorMessage"] == "Rate Exceeded."


async def test_environments_that_are_no_longer_needed_are_closed(start, door: Door, monkeypatch) -> None:
    monkeypatch.setattr(function_pool, "IDLE_SECONDS", 0.05)
    service = await start(warm=1)
    await service.do()
    slow_ones = [service.begin(**door.event()) for _ in range(3)]
    await door.until_waiting(2)
    assert len(service.pids) > 1
    door.open()
    await asyncio.gather(*slow_ones)
    while len(service.pids) > 1:
        service.pool.reap()
        await asyncio.sleep(0.02)
    assert (await service.do())["pid"] in service.pids


async def test_events_behind_one_that_kills_its_process_run_elsewhere(start) -> None:
    service = await start(limit=1)
    await service.do()
    killed, *others = [service.begin(do="kill"), *(service.begin() for _ in range(20))]
    assert (await killed).outcome is Outcome.RAISED
    assert {(await other).outcome for other in others} == {Outcome.RETURNED}


async def test_only_what_was_running_is_lost_when_every_process_is_killed(start, door: Door) -> None:
    service = await start(warm=2, limit=2)
    await service.do()
    running = [service.begin(**door.event()) for _ in range(2)]
    waiting = [service.begin() for _ in range(10)]
    await door.until_waiting(2)
    for pid in service.pids:
        os.kill(pid, signal.SIGKILL)
    assert {(await event).outcome for event in running} == {Outcome.RAISED}
    assert {(await event).outcome for event in waiting} == {Outcome.RETURNED}


async def test_when_a_handler_can_no_longer_be_loaded_its_events_fail_until_it_can(start, tmp_path: Path) -> None:
    module = tmp_path / "changing.py"
    module.write_text("import os\ndef handler(event, context):\n    os._exit(1)\n")
    service = await start(handler="changing.handler", folder=tmp_path)
    module.write_text("def handler(event, context:\n")
    await service.fail()
    outcome, error = await service.fail()
    assert outcome is Outcome.RAISED
    assert error["errorType"] == "SyntaxError"
    module.write_text("def handler(event, context):\n    return 'well'\n")
    assert await service.do() == "well"
