"""What the pages tell people to type exists."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pushaside.cli.commands import KNOWN, OWN
from pushaside.cli.exits import MEANINGS
from pushaside.cli.main import build_whole_parser
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND_LINE = [str(Path(sys.executable).with_name("pushaside"))]


def commands(page: Path) -> list[str]:
    """The lines of a page's shell blocks, without prompts, comments and leading variables."""
    blocks = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [re.sub(r"^([A-Z_]+=\S+ +)+", "", line) for line in lines if line and not line.startswith("#")]


def typed(program: str) -> list[tuple[str, str]]:
    """Page and first word after `program`, for every time a page says to run it."""
    return sorted(
        {
            (page.name, words[1])
            for page in PAGES
            for line in commands(page)
            for part in re.split(r"&&|\|\||;", line)
            if (words := part.split())[:1] == [program] and len(words) > 1 and not words[1].startswith("-")
        }
    )


def test_the_readme_begins_with_the_two_commands() -> None:
    assert {"run", "test"} <= {target for page, target in typed("make") if page == "README.md"}


def test_every_make_target_that_a_page_names_exists() -> None:
    phony = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = {target for line in phony for target in line.split()}
    assert {target for _, target in typed("make") if "=" not in target} <= targets


@pytest.mark.slow
def test_every_pushaside_command_that_a_page_names_exists() -> None:
    names = {command for _, command in typed("pushaside")}
    assert names
    for name in names:
        ended = subprocess.run(
            [*COMMAND_LINE, name, "--help"], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        assert ended.returncode == 0, ended.stderr


def test_the_page_of_commands_has_all_of_them_and_their_exit_codes() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()

    assert set(re.findall(r"^\| \[`(\w+)`\]", page, re.MULTILINE)) == {*OWN, *KNOWN}
    for code, meaning in MEANINGS.items():
        assert f"| {code.value} | {meaning} |" in page


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of every command by its name."""
    actions = build_whole_parser()._actions
    (subparsers,) = [each for each in actions if isinstance(each, argparse._SubParsersAction)]
    return subparsers.choices


def with_option(option: str) -> set[str]:
    return {name for name, parser in parsers().items() if option in parser._option_string_actions}


def output_rows(page: str) -> list[set[str]]:
    """The commands that each row of the table of outputs names."""
    _, _, rest = page.partition("| | on a terminal | in a pipe or a file | with `--json` |\n")
    rows = rest.partition("\n\n")[0].splitlines()[1:]
    return [set(re.findall(r"`(\w+)`", row.split("|")[1])) for row in rows]


def test_the_page_of_commands_says_which_of_them_have_an_output_for_people() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()

    assert re.findall(r"^.*`--text`", page, re.MULTILINE) == ["The commands of the last row also have `--text`"]
    assert output_rows(page)[-1] == with_option("--text")


@pytest.mark.parametrize("target", ["setup", "run", "test", "check", "build", "docs", "bench"])
def test_make_knows_its_fixed_targets(target: str) -> None:
    ended = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_make_names_only_tests_that_are_there() -> None:
    named = re.findall(r"\btests/[\w/]+\.py\b", (ROOT / "Makefile").read_text())
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []
