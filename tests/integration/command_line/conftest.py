"""A small application for the commands that read the computes of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

COMPUTES = '''\
from push import compute


@compute
async def greeting(name: str = "you") -> str:
    """Greet."""
    return name
'''


@pytest.fixture
def application(tmp_path: Path) -> Path:
    (tmp_path / "pushaside.toml").write_text('name = "shop"\n')
    (tmp_path / "computes.py").write_text(COMPUTES)
    return tmp_path
