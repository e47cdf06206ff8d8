"""docs/third-parties.md: each tool does what is printed there, as it is printed."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.documentation.blocks import ROOT, Block, blocks
from tests.patience import PATIENCE_SECONDS
from tests.third_parties.conftest import Desk, need_package, need_program
from tests.third_parties.terminal import Terminal, terminal

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs/third-parties.md"
SECTIONS = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
BLOCKS = list(blocks(PAGE))

CHANGING = {
    r"\d{4}-\d\d-\d\dT[\d:.]+Z": "time",
    r'"cache":"(hit|stale|miss)"': '"cache":"..."',
    r'"age_ms":\d+': '"age_ms":0',
    r"(?<![\w-])[A-Za-z0-9_-]{8}:\d+\b": "position",
}
"""What is another at each time: where it came from, how old it is, positions, and when."""


def steady(text: str) -> str:
    for pattern, replacement in CHANGING.items():
        text = re.sub(pattern, replacement, text)
    return text


def block(language: str, beginning: str) -> Block:
    (found,) = (each for each in BLOCKS if each.language == language and each.text.startswith(beginning))
    return found


def printed(desk: Desk, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=desk.folder,
        env=desk.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def follow(session: Terminal, lines: list[str]) -> None:
    """Type what the page types, and wait for what it shows."""
    for line in lines:
        if line.startswith("> "):
            session.type(line.removeprefix("> "))
        else:
            session.wait_for(line, steady)


def wscat() -> tuple[str, list[str]]:
    command, *lines = block("console", "$ npx wscat").text.splitlines()
    return command.removeprefix("$ "), lines


def test_a_person_talks_by_wscat(desk: Desk) -> None:
    need_package("wscat")
    command, lines = wscat()
    with terminal(desk.at(command), desk.folder, desk.environment()) as session:
        follow(session, lines)


def test_a_program_for_node_subscribes_and_publishes_by_ws(desk: Desk) -> None:
    need_package("ws")
    program = block("js", 'import WebSocket from "ws"')
    (desk.folder / "lobby.mjs").write_text(desk.at(program.text))
    assert steady(printed(desk, "node", "lobby.mjs")) == steady(program.output or "")


def test_a_python_program_asks_by_websocket_client(desk: Desk) -> None:
    program = block("python", "import json\n\nimport websocket")
    assert printed(desk, sys.executable, "-c", desk.at(program.text)) == program.output


def test_curl_asks_and_publishes(desk: Desk) -> None:
    need_program("curl")
    commands = block("sh", "curl ")
    assert steady(printed(desk, "bash", "-ec", desk.at(commands.text))) == steady(commands.output or "")


def test_the_aws_cli_posts_to_a_connection_looks_at_it_and_deletes_it(desk: Desk) -> None:
    need_package("wscat")
    need_program("aws")
    commands = block("sh", "export AWS_ACCESS_KEY_ID=")
    command, (connected, *_) = wscat()
    with terminal(desk.at(command), desk.folder, desk.environment()) as session:
        session.wait_for(connected)
        assert steady(printed(desk, "bash", "-ec", desk.at(commands.text))) == steady(commands.output or "")
        follow(session, block("console", "< ").text.splitlines())
        told = [line for line in session.lines() if line.startswith(("<", "Disconnected"))]
    assert told == block("console", "< ").text.splitlines()


def test_each_section_but_the_first_has_a_test_here() -> None:
    tested = {"wscat", "ws", "websocket-client", "curl", "The AWS CLI"}
    assert {section.partition("\n")[0] for section in SECTIONS[1:]} == tested
