"""Ends every process that a run of the tests leaves behind, however the run ends.

Each process that runs tests, pytest itself or a worker of xdist, marks its environment, and starts a watcher. The
watcher reads a pipe whose other end only that process holds: the kernel closes it when the process ends, also by
SIGKILL. Then the watcher kills everything that was started with the mark. Processes inherit it, so no test need do
anything for it. `/proc` tells who has it: where there is none, nothing is found.

A program that writes its title over its environment is not found either. Valkey does so unless told otherwise;
Chromium does, and is ended by its driver, which is found.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

MARK = "STARTED_BY_TESTS"
"""No name that tests leave out of the environments of what they start, as they do those of the project and of AWS."""

_PROC = Path("/proc")
_EMPTY_LOOKS, _LOOK_SECONDS = 3, 0.05
"""So often in a row nothing must be found: what is only being started is not marked yet."""


def mark_processes() -> subprocess.Popen[bytes]:
    """Mark what this process starts from now on, and return the watcher that ends it, to be kept for good."""
    os.environ[MARK] = mark = uuid.uuid4().hex
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={},
        start_new_session=True,  # Ctrl-C goes to everybody else at this terminal
    )


def marked_processes(mark: str) -> dict[int, str]:
    """Return the command lines of the processes that have a mark, by their ids."""
    entry = f"{MARK}={mark}".encode()
    found = {}
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended, or is another user's
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def is_running(pid: int) -> bool:
    """Say whether a process runs; one that has ended and that its parent has not asked after does not."""
    try:
        return (_PROC / f"{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _kill_all(mark: str) -> None:
    empty_looks = 0
    while empty_looks < _EMPTY_LOOKS:
        found = marked_processes(mark)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        empty_looks = 0 if found else empty_looks + 1
        time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    _kill_all(sys.argv[1])
