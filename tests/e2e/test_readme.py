"""What the README shows is what prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import COMMAND, ROOT, Stack, running

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
        command, env={**os.environ, "PATH": PATH, **environment}, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout, done.stderr


def test_the_first_request_is_a_miss_with_airports_and_then_a_hit(stack: Stack) -> None:
    command = next(line for _, block in BLOCKS for line in block.splitlines() if line.startswith("pushaside request"))
    shown_miss, shown_hit = (
        next(block for _, block in BLOCKS if block.startswith(state)) for state in ("miss ·", "hit ·")
    )
    fresh = {"PUSHASIDE_URL": stack.websocket}
    outputs = [printed("bash", "-c", command, environment=fresh) for _ in range(2)]

    shown_document = shown_miss.split("\n", 1)[1].removesuffix("  ...\n")
    assert outputs[0][0].startswith(shown_document)
    for (_, summary), shown in zip(outputs, (shown_miss, shown_hit), strict=True):
        assert without_times(summary.strip()) == without_times(shown.splitlines()[0])


def without_times(summary: str) -> str:
    return re.sub(r"[\d.]+ (ms|s)\b", r"# \1", summary)


def test_the_python_example_prints_what_it_says(stack: Stack) -> None:
    program = next(block for language, block in BLOCKS if language == "python")
    shown = next(block for _, block in BLOCKS if block.startswith("miss ["))
    program = program.replace("ws://127.0.0.1:8080/v1", stack.websocket)

    output, _ = printed(sys.executable, "-c", program, environment={})
    assert re.sub(r"^(miss|hit)", "miss", output) == shown
