"""The layout of `--help`: its width, examples and exit codes."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence

from pushaside.cli.exits import describe_exits

_WIDTHS = (60, 120)
_UNKNOWN_WIDTH = 100
_OPTION_COLUMNS = 34


class Formatter(argparse.HelpFormatter):
    """A formatter that fills paragraphs and leaves texts of several lines unchanged."""

    def __init__(self, prog: str, **options: object) -> None:
        del options  # newer versions of argparse pass more options, which do not matter here
        least, most = _WIDTHS
        columns = shutil.get_terminal_size((_UNKNOWN_WIDTH, 24)).columns
        super().__init__(prog, max_help_position=_OPTION_COLUMNS, width=min(max(columns, least), most) - 2)

    def add_argument(self, action: argparse.Action) -> None:
        """Widen the column of names by the indentation of commands, which argparse forgets."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  (argparse has no public name for it)
            self._action_max_length += self._indent_increment

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return "\n".join(f"{indent}{line}" for line in text.splitlines())
        return super()._fill_text(text, width, indent)


def describe(parser: argparse.ArgumentParser, examples: Sequence[tuple[str, str]], *, ending: str = "") -> None:
    """Add the examples, each a command and its purpose, and the exit codes to a command's help."""
    parser.formatter_class = Formatter
    lines = [line for command, what in examples for line in (f"  {what}:", f"    $ {command}")]
    parts = ["\n".join(["examples:", *lines]), ending, describe_exits()]
    parser.epilog = "\n\n".join(part for part in parts if part)
