"""Errors for options and commands that do not exist, with a suggestion of the closest name."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a question about the closest known name, with a space before it; empty if none is close.

    >>> suggest("--parms", ["--params", "--url"])
    ' Did you mean --params?'
    """
    # Only a mistake needs it.
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]}?" if close else ""


def check_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Refuse an unknown option by its name; argparse blames the arguments after it instead.

    As argparse does, this accepts the beginning of an option's name, and takes for values the arguments that contain
    a blank and all after `--`.
    """
    known = [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001  (no public name)
    for argument in arguments:
        if argument == "--":
            return
        name = argument.partition("=")[0]
        if argument.startswith("--") and " " not in argument and not any(each.startswith(name) for each in known):
            parser.error(f"There is no option {name}.{suggest(name, known)}")
