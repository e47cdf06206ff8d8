from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Protocol

import pytest
import uvloop

from tests.integration.local_runtime.function_services import FunctionService
from tests.integration.local_runtime.running_stacks import RunningStack, running


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable]:
    return {"uvloop": uvloop.new_event_loop}


class StartFunctions(Protocol):
    async def __call__(self, **settings: Any) -> FunctionService: ...


@pytest.fixture
async def start() -> AsyncIterator[StartFunctions]:
    """Start functions for a test and end them after it."""
    services = []

    async def start_functions(**settings: Any) -> FunctionService:
        service = FunctionService(**settings)
        services.append(service)
        await service.functions.start()
        return service

    yield start_functions
    await asyncio.gather(*(service.functions.close() for service in services))


@pytest.fixture
async def service(start: StartFunctions) -> FunctionService:
    return await start()


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The stack of these tests, started once for all that leave it as it is."""
    with running(tmp_path_factory.mktemp("stack"), "--parameter", "Greeting=good day") as stack:
        yield stack
