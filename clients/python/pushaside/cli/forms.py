"""The form of a command's output: for people on a terminal, a JSON document on each line otherwise.

Drawings on a terminal need `rich`; without it commands print plain lines. rich turns colours off by NO_COLOR.
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
    """Add the options of commands that print messages as they arrive."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="print a JSON document on each line, errors too; the default in a pipe"
    )
    form.add_argument("--text", action="store_true", help="print lines for people, also into a pipe or a file")


def is_json(arguments: argparse.Namespace) -> bool:
    """Tell whether the command prints JSON documents."""
    return bool(arguments.json or not (arguments.text or sys.stdout.isatty()))


def can_draw(stream: TextIO) -> bool:
    """Tell whether a stream can show tables that are updated in place."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and has_rich()


def has_rich() -> bool:
    """Tell whether `rich` is installed, without importing it."""
    return importlib.util.find_spec("rich") is not None


def make_console(stream: TextIO) -> Console:
    """Make a console that draws on a stream."""
    # Only a terminal needs rich, whose import takes longer than a result takes to arrive.
    from rich.console import Console

    return Console(file=stream, highlight=False)
