"""In which form a command prints: for people on a terminal, a JSON document on each line otherwise.

What is drawn on a terminal needs `rich`; without it there are plain lines. Colours follow NO_COLOR, which rich knows.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


def add_form_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that print as something happens."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="print one JSON document a line, errors too; the default in a pipe"
    )
    form.add_argument("--text", action="store_true", help="print lines for people, also into a pipe or a file")


def is_json(arguments: argparse.Namespace) -> bool:
    """Tell whether documents are wanted."""
    return bool(arguments.json or not (arguments.text or sys.stdout.isatty()))


def can_draw(stream: TextIO) -> bool:
    """Tell whether tables that are drawn anew can be shown on a stream."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and has_rich()


def has_rich() -> bool:
    """Tell whether `rich` is installed, without importing it."""
    return importlib.util.find_spec("rich") is not None


def make_console(stream: TextIO) -> Console:
    """Make what draws on a stream."""
    # Only a terminal needs it, and it takes longer to import than a result takes to arrive.
    from rich.console import Console

    return Console(file=stream, highlight=False)
