"""What the pages show: their fenced blocks, and their indented ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page, without its fences; `output` is the block right below it, if that is no program."""

    page: str
    line: int
    language: str
    text: str
    output: str | None = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


_FENCED = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^ *```$", re.DOTALL | re.MULTILINE)
_OUTPUT = re.compile(r"\s*```(?:text)?\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


def pages() -> list[Path]:
    """Every page for people who use the project, or change it."""
    return [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "clients").glob("*/README.md")),
    ]


def blocks(page: Path) -> Iterator[Block]:
    """Give the fenced blocks of a page in their order."""
    source = page.read_text()
    name = page.relative_to(ROOT).as_posix()
    for found in _FENCED.finditer(source):
        below = _OUTPUT.match(source, found.end())
        lines = (line.removeprefix(found["indent"]) for line in found["text"].splitlines(keepends=True))
        yield Block(
            name,
            source.count("\n", 0, found.start()) + 1,
            found["language"],
            "".join(lines),
            below and below["text"],
        )


def every_block(*languages: str) -> list[Block]:
    """Give the blocks of all pages that are in one of the languages."""
    return [block for page in pages() for block in blocks(page) if block.language in languages]


def indented_lines(page: Path) -> list[tuple[int, str]]:
    """Give the lines of a page's indented blocks, with their numbers."""
    source = _FENCED.sub(lambda found: "\n" * found[0].count("\n"), page.read_text())
    numbered = enumerate(source.splitlines(), start=1)
    return [(number, line[4:]) for number, line in numbered if line.startswith("    ") and line.strip()]
