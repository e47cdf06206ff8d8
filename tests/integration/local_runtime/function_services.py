"""Functions with handlers of the tests' own, invoked directly."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from local.deploying.control_plane import Function
from local.functions.environment import Environment
from local.functions.invocation import Invocation, Outcome
from local.functions.output import FunctionOutput
from local.functions.service import Functions
from local.functions.variables import Endpoints, function_environment
from local.metrics import Metrics

HANDLERS = Path(__file__).with_name("handlers")
FUNCTION = Function(
    logical_id="DoesFunction",
    name="stack-DoesFunction-1",
    arn="arn:aws:lambda:us-east-1:000000000000:function:stack-DoesFunction-1",
    runtime="python3.13",
    handler="does.handler",
    timeout_seconds=60,
    memory_megabytes=256,
    environment={"GREETING": "hello"},
    reserved_concurrency=None,
    folder=HANDLERS,
)
ENDPOINTS = Endpoints("http://127.0.0.1:1", "http://127.0.0.1:2/v1")


class Lines:
    """Stands in for the runtime's log."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, source: str, line: bytes) -> None:
        self.lines.append((source, line.decode()))


class FunctionService:
    """One function with its environments."""

    def __init__(self, *, warm: int = 1, limit: int = 8, **changes: Any) -> None:
        self.function = replace(FUNCTION, **changes)
        self.log = Lines()
        self.metrics = Metrics()
        self.functions = Functions([self.function], self._start, warm=lambda _: warm, limit=limit)
        self.pool = self.functions.pools[self.function.name]

    async def _start(self, environment: Environment, function: Function) -> None:
        output = await FunctionOutput(function.logical_id, self.metrics, self.log).open()
        try:
            await environment.start(function_environment(function, ENDPOINTS, "stream"), output)
        finally:
            os.close(output)

    @property
    def pids(self) -> set[int]:
        return {environment.pid for environment in self.pool.environments}

    def begin(self, **event: Any) -> asyncio.Future[Invocation]:
        """Invoke the function now, and return what its end will be."""
        ended: asyncio.Future[Invocation] = asyncio.get_running_loop().create_future()
        self.functions.invoke(self.function.name, json.dumps(event).encode(), ended.set_result)
        return ended

    async def do(self, **event: Any) -> Any:
        """Invoke the function and return its answer."""
        invocation = await self.begin(**event)
        assert invocation.outcome is Outcome.RETURNED, invocation
        return json.loads(invocation.payload)

    async def fail(self, **event: Any) -> tuple[Outcome, Mapping[str, Any]]:
        """Invoke the function and return how it failed, with the error document."""
        invocation = await self.begin(**event)
        return invocation.outcome, json.loads(invocation.payload)
