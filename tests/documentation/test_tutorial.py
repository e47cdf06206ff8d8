"""docs/tutorial.md, step by step: its files are written, its commands are typed, and their answers compared."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, chromium, open_page  # noqa: F401  # fixtures
from tests.browser.react_pages import answer_for_cdn
from tests.documentation.blocks import ROOT, Block, blocks
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs/tutorial.md"
NAMED = re.compile(r"^(?:#|//|<!--) ([\w./]+)(?: -->)?\n")
CHANGE = re.compile(r"^@@ (\S+) @@\n((?:[-+ ].*\n|\n)+)", re.MULTILINE)
ADDRESS = "http://127.0.0.1:8080/"
START = "pushaside local "


class Desk:
    """A reader's desk: the folder of the application, a terminal with the running service, and one to type in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._variables: dict[str, str] = {}

    @property
    def ready(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.folder / "ready.json").read_text())
        return found

    def write(self, block: Block) -> None:
        named = NAMED.match(block.text)
        assert named, block
        (self.folder / named[1]).write_text(block.text[named.end() :] if block.language == "html" else block.text)

    def change(self, block: Block) -> None:
        changes = CHANGE.findall(block.text)
        assert "".join(f"@@ {name} @@\n{text}" for name, text in changes) == block.text, block
        for name, text in changes:
            path = self.folder / name
            lines = text.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if not line.startswith("+"))
            new = "".join(line[1:] for line in lines if not line.startswith("-"))
            assert path.read_text().count(old) == 1, (block, old)
            path.write_text(path.read_text().replace(old, new))

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        if line.startswith("cd "):
            self.folder /= line.removeprefix("cd ")
            return subprocess.CompletedProcess(line, 0, "", "")
        if exported := re.fullmatch(r"export (\w+)=(\$\(.*\))", line):
            ended = self._run(f"printf %s {exported[2]}")
            self._variables[exported[1]] = ended.stdout
            return ended
        return self._run(line)

    def _run(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def start(self, line: str) -> None:
        """Start the service in its terminal, or again, on a free port."""
        self.stop()
        log = self.folder.parent / "log"
        with log.open("wb") as output:
            command = ["bash", "-c", f"exec {line} --port 0"]
            environment = self._environment()
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not (self.folder / "ready.json").exists():
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < give_up_at, log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_SECONDS)
            self._process = None
            (self.folder / "ready.json").unlink(missing_ok=True)

    def _environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "PUSHASIDE_")) and name != "PYTHONPATH"
        }
        here = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **self._variables}
        if self._process is not None:
            here |= {"PUSHASIDE_URL": self.ready["websocket"], "PUSHASIDE_HTTP_URL": self.ready["http"]}
        return {**inherited, **here}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.stop()


def test_every_step_of_the_tutorial_works(desk: Desk, open_page: OpenPage) -> None:  # noqa: F811  # the fixture
    for block in blocks(PAGE):
        if block.language == "diff":
            desk.change(block)
        elif block.language == "sh":
            type_all(desk, block, open_page)
        elif block.language:
            desk.write(block)


def type_all(desk: Desk, block: Block, open_page: OpenPage) -> None:  # noqa: F811  # the fixture
    *before, last = block.text.splitlines()
    for line in before:
        type_well(desk, line)
    if last.startswith(START):
        desk.start(last)
    elif last.startswith("echo "):
        see_page(desk, last, open_page)
    elif block.output is None:
        type_well(desk, last)
    elif block.output.startswith("pushaside: "):
        ended = desk.type(last)
        assert ended.returncode != 0
        assert ended.stderr == block.output
    else:
        see_table(desk, last, block.output)


def type_well(desk: Desk, line: str) -> None:
    if line.startswith("pip install"):
        return  # what is installed already
    if line == "pytest":
        line = "python -m pytest -p no:cacheprovider"
    ended = desk.type(line)
    assert ended.returncode == 0, (line, ended.stdout, ended.stderr)


def see_table(desk: Desk, line: str, table: str) -> None:
    """Type a request until its answer is that of the page: saved code is loaded within a second or so."""
    names, *rows = (re.split(r"  +", each) for each in table.splitlines())
    expected = [dict(zip(names, row, strict=True)) for row in rows]
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        ended = desk.type(line)
        assert ended.returncode == 0, (line, ended.stderr)
        seen = [{name: str(value) for name, value in row.items()} for row in json.loads(ended.stdout)]
        if seen == expected:
            return
        assert time.monotonic() < give_up_at, (line, seen)
        time.sleep(0.1)


def see_page(desk: Desk, line: str, open_page: OpenPage) -> None:  # noqa: F811  # the fixture
    printed = desk.type(line).stdout.strip()
    assert printed.startswith(ADDRESS)
    page = open_page("about:blank")
    answer_for_cdn(page)
    page.goto(printed.replace(ADDRESS, desk.ready["http"]))
    expect(page.locator("li")).to_have_text(["desk: open", "lamp: shipped"], timeout=20_000)
