"""Every command in the pages is run as it is printed, page by page and in order; or listed here, with the reason."""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from pushaside.cli.main import build_whole_parser
from tests.documentation.blocks import ROOT, Block, every_block
from tests.documentation.reader import Reader, Started
from tests.e2e.test_http_page import EXAMPLES
from tests.patience import PATIENCE_SECONDS
from tests.servers.valkey import free_port

pytestmark = pytest.mark.slow

SHELLS = ("sh", "bash", "shell", "console")

TESTED_ELSEWHERE = {
    "docs/applications.md": "tests/e2e/test_applications.py",
    "docs/third-parties.md": "tests/third_parties/test_page.py",
}
"""Pages whose commands another test runs; but for those of the project."""

WHOLLY_ELSEWHERE = {"docs/tutorial.md": "tests/documentation/test_tutorial.py"}
"""Pages whose commands another test runs, those of the project too."""

NOT_RUN = {
    "source .venv/bin/activate": "the tests' environment is this one already",
    "sam build": "reaches for AWS; CI builds by `make build`",
    ".ci/run": "runs these tests, among all others",
    "cd local/page && npm ci": "fetches packages, which `make setup-dev` has done",
    "pushaside token --ready-file": "of a service that checks tokens, as in `tests/documentation/test_tutorial.py`",
    "pushaside local": "is how the stack was started that the others ask",
    "pip install": "installs what `make setup-dev` has installed",
    "pushaside build &&": "of an application, and of a stack in AWS",
    "pytest": "runs an application's tests, as `tests/e2e/test_applications.py` does",
    "pushaside types": "of an application; `tests/integration/command_line/test_types.py` runs it",
    "pushaside openapi": "of an application; `tests/integration/command_line/test_openapi.py` runs it",
    "npm install": "installs what `make setup-dev` has installed",
    "--stack pushaside": "of a stack in AWS",
    "--url wss://API": "of a stack in AWS",
}
"""By what is in it: what is not run, and why. Commands of the project are at least understood."""

GOES_ON = ("pushaside subscribe", "pushaside listen")
"""Until Ctrl-C, or for as long as nothing comes."""

RUN = {"pushaside", "curl", "echo", "printf"}
"""Programs that do no harm. Whatever else a page says to type is to be listed above, or added here."""

MEASURE_SECONDS = 0.3
LISTEN_PORT = "8090"


@dataclass(frozen=True, slots=True)
class Command:
    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def commands(block: Block) -> Iterator[Command]:
    """Give the commands of a block, without prompts and comments; of a session, what was typed."""
    joined = re.sub(r"\\\n\s*", lambda found: " " * len(found[0]), block.text)
    for number, line in enumerate(joined.splitlines(), start=block.line + 1):
        is_typed = block.language != "console" or line.startswith("$ ")
        text = line.removeprefix("$ ").strip()
        if is_typed and text and not text.startswith("#"):
            yield Command(block.page, number, text)


def is_shell(block: Block) -> bool:
    return block.language in SHELLS or (block.language == "" and block.text.startswith("pushaside "))


ALL = [command for block in every_block(*SHELLS, "") if is_shell(block) for command in commands(block)]
HTTP_EXAMPLES = {command for command, _ in EXAMPLES}


def is_tested_elsewhere(command: Command) -> bool:
    if command.text in HTTP_EXAMPLES:
        return True
    if command.page in WHOLLY_ELSEWHERE:
        return True
    return command.page in TESTED_ELSEWHERE and not command.text.startswith("pushaside ")


def why_not_run(command: Command) -> str | None:
    return next((why for text, why in NOT_RUN.items() if text in command.text), None)


def bare(text: str) -> str:
    """Return a command without what stands around it: its environment, and what takes its output."""
    text = re.sub(r"^(export )?(\w+=\$\(|[A-Z_]+=\S+ +)*", "", text)
    words = shlex.shlex(text, posix=True, punctuation_chars="|&;<>)")
    words.whitespace_split = True
    return shlex.join(itertools.takewhile(lambda word: not set(word) <= set("|&;<>)"), words))


def program(text: str) -> str:
    return shlex.split(bare(text))[0]


def is_runnable(text: str) -> bool:
    """Tell whether what a command leans on is installed; where everything is to be tested, it must be."""
    lacks_jq = "| jq" in text and shutil.which("jq") is None
    lacks_shtab = text.startswith("pushaside completion") and importlib.util.find_spec("shtab") is None
    is_there = not (lacks_jq or lacks_shtab)
    assert is_there or os.environ.get("CI") != "true", f"{text!r} leans on what is not on this machine"
    return is_there


class Terminals:
    """The terminals of one who goes through a page: what goes on has one of its own until the page is through."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._ports: dict[str, str] = {}
        self._open: list[Started] = []

    def type(self, text: str) -> None:
        assert program(text) in RUN, f"{text!r} is neither run nor listed with a reason why not"
        line = self._here(text)
        if text.startswith(GOES_ON):
            self._stop_those_on(self._port_of(line))
            self._open.append(Started(self._reader, line))
        else:
            ended = self._reader.run("bash", "-c", line)
            assert ended.code == 0, f"{text}\n{ended.errors}\n{ended.output}"
            self._hear_of(line)

    def close(self) -> None:
        """Press Ctrl-C in all of them."""
        while self._open:
            self._stop(self._open.pop())

    def _here(self, text: str) -> str:
        """Return a command for this stack, with ports that are free, and for a short time if it measures."""
        if text.startswith("pushaside listen") and "--port" not in text:
            text = text.replace("pushaside listen", f"pushaside listen --port {LISTEN_PORT}", 1)
        if text.startswith("pushaside load"):
            text = re.sub(r" --duration [\d.]+", "", text).replace(
                "pushaside load", f"pushaside load --duration {MEASURE_SECONDS} --deadline {PATIENCE_SECONDS:g}", 1
            )
        if text.startswith("curl "):
            text = text.replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
        text = self._reader.at(text)
        return re.sub(
            r"(--port |http://127\.0\.0\.1:)(8090|9000)\b", lambda found: found[1] + self._free(found[2]), text
        )

    def _free(self, port: str) -> str:
        return self._ports.setdefault(port, str(free_port()))

    @staticmethod
    def _port_of(line: str) -> str | None:
        found = re.search(r"^pushaside listen.* --port (\d+)", line)
        return found[1] if found else None

    def _stop_those_on(self, port: str | None) -> None:
        for each in [each for each in self._open if port is not None and self._port_of(each.line) == port]:
            self._open.remove(each)
            self._stop(each)

    def _stop(self, started: Started) -> None:
        code, said = started.stop()
        assert code in {0, 130, -signal.SIGINT}, f"{started.line}\n{said}"
        assert "Traceback" not in said, f"{started.line}\n{said}"

    def _hear_of(self, line: str) -> None:
        """Wait until whoever is sent a webhook by a command has told of it."""
        for each in self._open:
            port = self._port_of(each.line)
            if port and f"http://127.0.0.1:{port}/" in line:
                each.hear_more()


def make_would(text: str) -> None:
    """Have make say what it would do; the targets build, measure and test everything."""
    _, *words = shlex.split(bare(text))
    subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, timeout=PATIENCE_SECONDS, check=True)


PAGES = sorted({command.page for command in ALL if not is_tested_elsewhere(command) and not why_not_run(command)})


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_to_type_works(page: str, reader: Reader) -> None:
    with ExitStack() as after:
        terminals = Terminals(reader)
        after.callback(terminals.close)
        for command in ALL:
            if command.page != page or is_tested_elsewhere(command) or why_not_run(command):
                continue
            if program(command.text) == "make":
                make_would(command.text)
            elif is_runnable(command.text):
                terminals.type(command.text)


@pytest.mark.parametrize("command", [each for each in ALL if bare(each.text).startswith("pushaside ")], ids=str)
def test_every_command_of_the_project_is_understood(command: Command) -> None:
    words = shlex.split(bare(command.text))[1:]
    if "--help" not in words:
        assert build_whole_parser().parse_args(words).run


def test_what_is_listed_is_there_and_what_is_tested_elsewhere_is_tested_there() -> None:
    for text in NOT_RUN:
        assert any(text in command.text for command in ALL), text
    for page, test in (TESTED_ELSEWHERE | WHOLLY_ELSEWHERE).items():
        assert page.rpartition("/")[2] in (ROOT / test).read_text()
    assert {command.text for command in ALL if command.page == "docs/http.md"} == HTTP_EXAMPLES
