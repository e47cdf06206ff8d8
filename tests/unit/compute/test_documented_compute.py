"""The compute that docs/computes.md shows is one that works."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from push.computes import Registry, Tenant, load_registry
from push.errors import ComputeFailedError
from push.sources.contexts import Context

PAGE = Path(__file__).parents[3] / "docs" / "computes.md"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    module = ModuleType("forecasts")
    monkeypatch.setitem(sys.modules, "forecasts", module)
    exec(example[1], vars(module))
    return load_registry(["forecasts"])


async def run(registry: Registry, params: bytes) -> Any:
    compute = registry.find("forecast")
    return await compute.invoke(compute.parse_params(params), Context(tenant=Tenant("acme")))


async def test_it_is_found_by_its_module_and_computes(registry: Registry) -> None:
    forecast = await run(registry, b'{"place": "rome", "days": 2}')
    assert forecast == {"place": "rome", "tenant": "acme", "days": [20.5, 20.5]}


async def test_it_fails_as_it_says(registry: Registry) -> None:
    with pytest.raises(ComputeFailedError, match="Nobody knows"):
        await run(registry, b'{"place": "rome", "days": 8}')
