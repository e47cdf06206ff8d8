"""TypeScript's compiler in one process for many programs: a run of `tsc` spends most of its time on its libraries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.patience import PATIENCE_SECONDS

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PACKAGES = ROOT / "tests" / "node" / "node_modules"
OPTIONS = ("--noEmit", "--target", "es2024", "--lib", "es2024,dom,dom.asynciterable", "--module", "esnext")
RESOLVING = ("--moduleResolution", "bundler", "--skipLibCheck", "false", "--ignoreConfig")


class Compiler:
    """A running `typescript.mjs`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def check(self, *arguments: str | Path) -> str:
        """Return what the compiler reports about a program, given the options and files that `tsc` would take."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([*OPTIONS, *RESOLVING, *map(str, arguments)]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the compiler has ended; its error is on standard error"
        diagnostics: str = json.loads(answer)
        return diagnostics


@contextmanager
def running_compiler() -> Iterator[Compiler]:
    """Start the compiler, or skip the test if it is not installed; in CI the test fails then."""
    node = shutil.which("node")
    if node is None or not (PACKAGES / "typescript").exists():
        reason = "TypeScript is not installed: npm ci --ignore-scripts in tests/node, with Node from version 20"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    command = [node, str(HERE / "typescript.mjs")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Compiler(process)
        finally:
            process.kill()
            process.wait(PATIENCE_SECONDS)
