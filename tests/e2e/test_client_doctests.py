"""The examples in the client's docstrings, run as they are printed against the running stack."""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import inspect
from types import CodeType
from typing import Any

import pytest

import pushaside
from tests.e2e.conftest import Stack

pytestmark = pytest.mark.slow

MODULES = [
    "pushaside",
    *(f"pushaside.{name}" for name in ("client", "connecting", "http.client", "subscription")),
    *(f"pushaside.{name}" for name in ("sync", "sync.client", "sync.http_client")),
]
"""Those whose examples ask a service; the others' are run by the unit tests."""


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_are_true(stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with asyncio.Runner() as loop:

        def execute(code: CodeType, names: dict[str, Any]) -> None:
            """Run a statement, which may await, as `python -m asyncio` does."""
            outcome = eval(code, names)
            if inspect.iscoroutine(outcome):
                loop.run(outcome)

        async def connect() -> pushaside.Client:
            return await pushaside.connect(stack.websocket)

        monkeypatch.setattr(doctest, "exec", execute, raising=False)
        client = loop.run(connect())
        names = {"URL": stack.websocket, "HTTP_URL": stack.http, "client": client}
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        module = importlib.import_module(name)
        importable = vars(importlib.import_module(module.__package__)) | vars(module)
        for test in doctest.DocTestFinder().find(module, globs=importable, extraglobs=names):
            runner.run(test, compileflags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        loop.run(client.close())

    outcome = runner.summarize()
    assert outcome.attempted > 0
    assert outcome.failed == 0
