"""The compiler, and a folder with what an application has installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.browser.typescript import PACKAGES, ROOT, Compiler, running_compiler


@pytest.fixture(scope="session")
def typescript() -> Iterator[Compiler]:
    with running_compiler() as compiler:
        yield compiler


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """A folder of somebody who has installed React, with the client's types in it."""
    for name in ("pushaside.d.ts", "react.d.ts"):
        (tmp_path / name).write_text((ROOT / "clients" / "browser" / name).read_text())
    (tmp_path / "node_modules").symlink_to(PACKAGES)
    return tmp_path
