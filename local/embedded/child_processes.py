"""Child processes that never outlive the runtime.

Each child inherits one end of a *lifeline*, a socket pair whose other end only the runtime holds. The kernel closes it
when the runtime ends, even by SIGKILL. Python children watch their end (`end_with_parent`). A native program starts
through `local.embedded.native_child`, which requests the same of the kernel where it can.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

STOP_SECONDS = 3.0
"""The time between SIGTERM and SIGKILL for a child that does not end."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running child process and the runtime's end of its lifeline."""

    name: str
    process: subprocess.Popen[bytes]
    lifeline: socket.socket

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    async def ended(self) -> int:
        """Wait for the child's end, reap it and return its exit status; a negative status is a signal."""
        return await asyncio.to_thread(self.process.wait)

    async def stop(self) -> None:
        """Stop the child by SIGTERM, and by SIGKILL if it still runs after `STOP_SECONDS`."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.ended(), STOP_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.ended()
        finally:
            self.lifeline.close()


def start_python_child(
    name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str], inherited: Sequence[socket.socket]
) -> Child:
    """Start `python -m module LIFELINE_FD arguments...`; the sockets in `inherited` keep their numbers."""
    return _start(name, [sys.executable, "-P", "-m", module], arguments, environment, inherited)


def start_native_child(name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
    """Start a native program that ends with the runtime."""
    return _start(name, [sys.executable, "-P", "-m", "local.embedded.native_child"], command, environment, ())


def _start(
    name: str,
    interpreter: Sequence[str],
    arguments: Sequence[str],
    environment: Mapping[str, str],
    inherited: Sequence[socket.socket],
) -> Child:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603  # the runtime's own commands
            [*interpreter, str(theirs.fileno()), *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),  # standard output is for the runtime itself
            pass_fds=[theirs.fileno(), *(each.fileno() for each in inherited)],
            # Only the runtime stops a child: Ctrl-C at the terminal would reach the whole foreground group.
            start_new_session=True,
        )
    return Child(name, process, ours)


def end_with_parent(lifeline: socket.socket, before_end: Callable[[], None] | None = None) -> None:
    """Start a thread that ends this process as soon as the other end of `lifeline` closes."""

    def watch() -> None:
        while lifeline.recv(1):
            pass
        if before_end is not None:
            before_end()
        os._exit(0)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
