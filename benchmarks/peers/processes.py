"""The processes of a measurement: started with output to a file, watched, and stopped by id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.servers.valkey import free_port

__all__ = ["NotStartedError", "Processes", "cpu_seconds", "free_port", "resident_bytes", "tree"]

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class NotStartedError(Exception):
    """A process ended or did not listen in time. The message has the end of its output."""


class Processes:
    """The processes of a peer. Each leads a session, which ends with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids: dict[str, int] = {}
        self._started: list[subprocess.Popen[bytes]] = []

    def start(
        self,
        name: str,
        command: Sequence[object],
        *,
        port: int | None = None,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start a process and wait until it listens on its port, if it has one."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                list(map(str, command)),
                cwd=cwd or self.folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._started.append(process)
        self.pids[name] = process.pid
        if port is not None:
            self.wait_for(name, lambda: _listens(port))

    def wait_for(self, name: str, is_ready: Callable[[], bool]) -> None:
        """Wait for a condition. Raises NotStartedError if the process ends first, and after a minute."""
        process = next(each for each in self._started if each.pid == self.pids[name])
        give_up_at = time.monotonic() + _START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > give_up_at:
                log = (self.folder / f"{name}.log").read_text(errors="replace")
                raise NotStartedError(f"{name} did not start; it said: {log[-1500:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the processes, the last started first."""
        for process in reversed(self._started):
            _signal_session(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            _signal_session(process.pid, signal.SIGKILL)
            process.wait(_STOP_SECONDS)
        self._started.clear()


def _signal_session(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for each, fields in _stat_of_all():
        children.setdefault(int(fields[1]), []).append(each)
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time of processes that still exist."""
    return sum((int(fields[11]) + int(fields[12])) / _TICKS for fields in filter(None, map(_stat, pids)))


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of processes that still exist."""
    return sum(int(fields[21]) * _PAGE_BYTES for fields in filter(None, map(_stat, pids)))


def _stat_of_all() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            yield int(entry.name), fields


def _stat(pid: int) -> list[str] | None:
    """Return proc(5)'s fields of a process from `state` on. The name before them may contain any character."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
