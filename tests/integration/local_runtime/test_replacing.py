"""Functions whose code was saved are replaced, and no event is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.patience import PATIENCE_SECONDS

CODE = """
import time
def handler(event, context):
    time.sleep(event.get("seconds", 0))
    return {answer}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, 1)
    return tmp_path


def write(folder: Path, answer: int) -> None:
    (folder / "saved.py").write_text(CODE.format(answer=f"{answer}  # {'x' * answer}"))


async def until_gone(service, pids: set[int]) -> None:
    ending = [each for each in service.pool.environments if each.pid in pids]
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*(each.ended.wait() for each in ending))
    assert not service.pids & pids


async def test_the_next_event_after_a_replacement_runs_the_new_code(start, folder: Path) -> None:
    service = await start(folder=folder, handler="saved.handler", warm=2)
    assert await service.do() == 1
    older = service.pids
    write(folder, 2)
    assert await service.functions.replace([service.function.name]) == {}
    assert await service.do() == 2
    await until_gone(service, older)


async def test_an_environment_that_is_replaced_answers_the_events_that_it_has(start, folder: Path) -> None:
    service = await start(folder=folder, handler="saved.handler")
    running = service.begin(seconds=1.0)
    older = service.pids
    write(folder, 2)
    await service.functions.replace([service.function.name])
    assert (await running).answer == b"1"
    assert await service.do() == 2
    await until_gone(service, older)


async def test_code_that_cannot_be_loaded_replaces_nothing(start, folder: Path) -> None:
    service = await start(folder=folder, handler="saved.handler")
    (folder / "saved.py").write_text("raise ValueError('no')")
    errors = await service.functions.replace([service.function.name])
    assert b"ValueError" in errors[service.function.name]
    assert await service.do() == 1


async def until_spare(service) -> int:
    """Wait for the spare environment's process, and return its id."""
    service.functions.keep_spares([service.function.name])
    spare = service.pool.environments[-1]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while spare.pid is None:  # noqa: ASYNC110  # the pool starts the process in a task of its own
            await asyncio.sleep(0)
    return spare.pid


async def test_a_spare_environment_loads_the_code_as_it_is_at_the_replacement(start, folder: Path) -> None:
    service = await start(folder=folder, handler="saved.handler")
    spare = await until_spare(service)
    write(folder, 2)
    assert await service.functions.replace([service.function.name]) == {}
    assert await service.do() == 2
    assert spare in service.pids


async def test_without_warm_environments_there_is_no_spare_one(start, folder: Path) -> None:
    service = await start(folder=folder, handler="saved.handler", warm=0)
    service.functions.keep_spares([service.function.name])
    assert service.pool.environments == []


async def test_a_spare_environment_gets_no_events(start, folder: Path) -> None:
    service = await start(folder=folder, handler="saved.handler")
    await until_spare(service)
    write(folder, 2)
    assert [await service.do() for _ in range(3)] == [1, 1, 1]


async def test_a_spare_environment_that_cannot_load_the_code_replaces_nothing(start, folder: Path) -> None:
    service = await start(folder=folder, handler="saved.handler")
    await until_spare(service)
    (folder / "saved.py").write_text("raise ValueError('no')")
    errors = await service.functions.replace([service.function.name])
    assert b"ValueError" in errors[service.function.name]
    assert await service.do() == 1


async def test_a_spare_environment_that_died_is_done_without(start, folder: Path) -> None:
    service = await start(folder=folder, handler="saved.handler")
    spare = service.pool.environments[-1] if await until_spare(service) else None
    assert spare is not None
    spare.kill()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await spare.ended.wait()
    write(folder, 2)
    assert await service.functions.replace([service.function.name]) == {}
    assert await service.do() == 2


async def test_the_warm_environments_beyond_the_first_start_when_they_are_asked_for(start, folder: Path) -> None:
    service = await start(folder=folder, handler="saved.handler", warm=2)
    await service.functions.replace([service.function.name])
    service.functions.warm_up([service.function.name])
    assert len([each for each in service.pool.environments if not each.is_spare]) >= 2
