"""A terminal that a program talks to a person on."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.patience import PATIENCE_SECONDS

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SECONDS = PATIENCE_SECONDS


class Terminal:
    """What is typed on it, and the whole lines that have appeared."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._shown = ""

    def type(self, line: str) -> None:
        os.write(self._descriptor, f"{line}\r".encode())

    def wait_for(self, line: str, steady: Callable[[str], str] = str) -> None:
        """Wait until a line has appeared; `steady` takes out of it, and of the one waited for, what changes.

        Raises:
            TimeoutError: It did not.
        """
        deadline = time.monotonic() + SECONDS
        while steady(line) not in map(steady, self.lines()):
            if time.monotonic() > deadline or not self._read(deadline):
                raise TimeoutError(f"there is no {line!r} among {self.lines()}")

    def lines(self) -> list[str]:
        """Give the lines, as they are once control sequences have done their work."""
        plain = _CONTROL.sub("", self._shown.replace("\r\n", "\n")).split("\n")
        return [line.rpartition("\r")[2].removeprefix("> ").rstrip() for line in plain]

    def _read(self, deadline: float) -> bool:
        if select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            try:
                self._shown += os.read(self._descriptor, 65536).decode()
            except OSError:  # Linux says EIO when nobody has the other end open any more.
                return False
        return True


@contextmanager
def terminal(command: str, folder: Path, environment: dict[str, str]) -> Iterator[Terminal]:
    """Run a command on a terminal of its own, until the block is left."""
    own, its = pty.openpty()
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"], cwd=folder, env=environment, stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    try:
        yield Terminal(own)
    finally:
        os.close(own)
        process.terminate()
        process.wait(SECONDS)
