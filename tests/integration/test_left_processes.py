"""A run of the tests that is ended before its time leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.left_processes import is_running

SUITE = Path(__file__).with_name("endless_suite.py")
SECONDS = 60.0

PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout", "xdist.plugin")
"""What the configuration needs; to load the others would take most of a run's time."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is left")]


@dataclass(frozen=True, slots=True)
class Run:
    """A run in the middle of its only test."""

    pytest: subprocess.Popen[bytes]
    tests: int
    """The process that runs the tests: pytest itself, or its worker."""
    started: dict[int, str]
    """The command lines of what the tests have started."""


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Run]:
    file, log = folder / "started.json", folder / "log"
    plugins = [f"-p{name}" for name in (*PLUGINS, "no:cacheprovider")]
    command = [sys.executable, "-m", "pytest", *plugins, *options, str(SUITE)]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "STARTED_FILE": str(file)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, env=environment)
    try:
        eventually(lambda: file.exists() or process.poll() is not None)
        assert file.exists(), log.read_text()
        told = json.loads(file.read_text())
        yield Run(process, told["tests"], {int(pid): command for pid, command in told["left"].items()})
    finally:
        process.kill()
        process.wait()


def eventually(is_true: Callable[[], Any]) -> None:
    give_up_at = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.02)


def all_ended(run: Run) -> bool:
    return not [pid for pid in (run.tests, *run.started) if is_running(pid)]


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "with a worker"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_pytest_ends_what_its_tests_started(
    tmp_path: Path, number: signal.Signals, options: tuple[str, ...]
) -> None:
    with running(tmp_path, *options) as run:
        assert [each for each in run.started.values() if "valkey" in each]
        assert len([each for each in run.started.values() if "sleep 600" in each]) == 2
        run.pytest.send_signal(number)
        eventually(lambda: all_ended(run))
        run.pytest.wait(SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_is_ended_takes_with_it_what_its_tests_started(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, "-n", "1", "--max-worker-restart", "0") as run:
        os.kill(run.tests, number)
        eventually(lambda: all_ended(run))


def test_ctrl_c_at_a_terminal_ends_what_the_tests_started(tmp_path: Path) -> None:
    """It goes to the whole group of pytest."""
    with running(tmp_path, "-n", "1") as run:
        os.killpg(run.pytest.pid, signal.SIGINT)
        eventually(lambda: all_ended(run))
        run.pytest.wait(SECONDS)
