"""One stack that all tools talk to, and the tools where they are installed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.documentation.blocks import ROOT
from tests.e2e.conftest import Stack, running

NODE_MODULES = ROOT / "tests/node/node_modules"


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a reader of the page sits: a folder with the packages and `ready.json` in it, and the stack running."""

    stack: Stack
    folder: Path

    def at(self, text: str) -> str:
        """Return what the page prints, with the stack's address in place of the default one."""
        return text.replace("ws://127.0.0.1:8080/v1", self.stack.websocket).replace(
            "http://127.0.0.1:8080/", self.stack.http
        )

    def environment(self) -> dict[str, str]:
        """Return an environment with the tools on PATH, nothing set for AWS, and npm told to fetch nothing."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "npm_", "NPM_"))}
        tools = Path(sys.executable).parent
        return {
            **inherited,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "NPM_CONFIG_USERCONFIG": os.devnull,
            "NPM_CONFIG_OFFLINE": "true",
            "NPM_CONFIG_UPDATE_NOTIFIER": "false",
        }


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    (folder / "node_modules").symlink_to(NODE_MODULES)
    with running(folder) as stack:
        yield Desk(stack, folder)


def missing(what: str) -> None:
    """Skip what this machine cannot run; where everything is to be tested, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def need_program(name: str) -> None:
    if shutil.which(name) is None and not (Path(sys.executable).parent / name).exists():
        missing(f"There is no {name} on this machine.")


def need_package(name: str) -> None:
    need_program("node")
    need_program("npx")
    if not (NODE_MODULES / name).exists():
        missing(f"The npm package {name} is not installed: npm ci --ignore-scripts, in tests/node.")
