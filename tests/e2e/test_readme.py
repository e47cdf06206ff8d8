"""What the README shows is what prints."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import COMMAND, ROOT, Stack, running
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
PATH = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One of its own: what was asked before must not be in its cache."""
    with running(tmp_path_factory.mktemp("readme")) as started:
        yield started


def printed(*command: str, environment: dict[str, str]) -> tuple[str, str]:
    done = subprocess.run(
        command,
        env={**os.environ, "PATH": PATH, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    return done.stdout, done.stderr


def shown_on_a_terminal(command: str, environment: dict[str, str]) -> list[str]:
    """Run a command for somebody who looks; return the lines that stay, without what moves and colours."""
    screen, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    variables |= {"PATH": PATH, "TERM": "xterm-256color", **environment}
    process = subprocess.Popen(
        ["bash", "-c", command], stdin=terminal, stdout=terminal, stderr=terminal, env=variables, close_fds=True
    )
    os.close(terminal)
    written = bytearray()
    with os.fdopen(screen, "rb", buffering=0) as output, contextlib.suppress(OSError):  # how it ends
        while data := output.read(65536):
            written += data
    assert process.wait(60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())
    return [line.rpartition("\r")[2].rstrip() for line in text.replace("\r\n", "\n").splitlines()]


def test_the_first_request_is_a_miss_with_airports_and_then_a_hit(stack: Stack) -> None:
    command = next(line for _, block in BLOCKS for line in block.splitlines() if line.startswith("pushaside request"))
    shown_miss, shown_hit = (
        next(block.splitlines() for _, block in BLOCKS if block.startswith(state)) for state in ("miss ·", "hit ·")
    )
    for summary, *table in (shown_miss[:-1], shown_hit):
        lines = shown_on_a_terminal(command, {"PUSHASIDE_URL": stack.websocket})
        at = next(number for number, line in enumerate(lines) if " · documents@" in line)
        assert without_times(lines[at]) == without_times(summary)
        assert lines[at + 1 : at + 1 + len(table)] == table


def without_times(summary: str) -> str:
    return re.sub(r"[\d.]+ m?s\b", "#", summary)


def test_the_python_example_prints_what_it_says(stack: Stack) -> None:
    program = next(block for language, block in BLOCKS if language == "python")
    shown = next(block for _, block in BLOCKS if block.startswith("miss ["))
    program = program.replace("ws://127.0.0.1:8080/v1", stack.websocket)

    output, _ = printed(sys.executable, "-c", program, environment={})
    assert re.sub(r"^(miss|hit)", "miss", output) == shown


def test_the_compute_of_an_application_is_the_one_that_a_new_application_has() -> None:
    shown = next(block for language, block in BLOCKS if language == "python" and "@compute" in block)
    made = (ROOT / "pushaside_service" / "skeleton" / "computes" / "orders.py").read_text()
    assert made.endswith(shown)
