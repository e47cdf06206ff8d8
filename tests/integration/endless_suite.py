"""A suite that does not end by itself. `test_left_processes` runs it; pytest does not find it by its name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.left_processes import MARK, marked_processes

HEEDLESS = "trap '' INT TERM; sleep 600 & echo started; wait"


@pytest.fixture(scope="session")
def heedless() -> Iterator[None]:
    """A process in a session of its own with a child, both of which only SIGKILL ends."""
    command = ["bash", "-c", HEEDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        os.killpg(process.pid, signal.SIGKILL)


def test_that_does_not_end(redis_url: str, heedless: None) -> None:
    left: dict[int, str] = {}
    # A process that is just replacing its program has no command line.
    while sum("sleep 600" in command for command in left.values()) < 2:
        left = marked_processes(os.environ[MARK])
    started = {"tests": os.getpid(), "left": left}
    file = Path(os.environ["STARTED_FILE"])
    unfinished = file.with_name("unfinished")
    unfinished.write_text(json.dumps(started))
    unfinished.rename(file)
    time.sleep(600)
