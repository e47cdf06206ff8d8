"""Run a native program that does not outlive its parent process.

`python -m local.embedded.native_child LIFELINE_FD PROGRAM ARGUMENTS...`. On Linux this process asks the kernel for
SIGKILL when the parent ends, and then becomes the program. Elsewhere it stays, watches the lifeline and ends the
program.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import socket
import subprocess
import sys
from typing import NoReturn

from local.embedded.child_processes import end_with_parent

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(arguments: list[str]) -> int:
    """Run the program; return only if the kernel offers no parent-death signal."""
    lifeline = socket.socket(fileno=int(arguments[0]))
    run = _replace_by if platform.system() == "Linux" else _watch_over
    return run(arguments[1:], lifeline)


def _replace_by(command: list[str], lifeline: socket.socket) -> NoReturn:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if _is_closed(lifeline):  # the parent ended before the request
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  # runs no shell


def _is_closed(lifeline: socket.socket) -> bool:
    lifeline.settimeout(0)
    try:
        return lifeline.recv(1) == b""
    except BlockingIOError:
        return False


def _watch_over(command: list[str], lifeline: socket.socket) -> int:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603  # the runtime's own command
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    end_with_parent(lifeline, before_end=process.kill)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
