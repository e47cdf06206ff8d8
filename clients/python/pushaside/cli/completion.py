"""`pushaside completion`: writes a script that has a shell complete commands and options."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from typing import TYPE_CHECKING

from pushaside.cli.exits import Exit
from pushaside.cli.helping import describe

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

SHELLS = ("bash", "zsh", "fish")

_DESCRIPTION = (
    "Print a script that has your shell complete commands and options. It holds all that is installed now, so that "
    "nothing of Python runs when you press Tab; write it anew when another distribution brings a command. It is made "
    "by shtab, which `pip install 'pushaside[completion]'` brings."
)
_EXAMPLES = [
    ("pushaside completion bash > ~/.local/share/bash-completion/completions/pushaside", "bash"),
    ("pushaside completion zsh > ~/.zfunc/_pushaside", "zsh, if ~/.zfunc is in fpath before compinit"),
    ("pushaside completion fish > ~/.config/fish/completions/pushaside.fish", "fish"),
]


def add_parser(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("completion", description=_DESCRIPTION)
    parser.add_argument("shell", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    if importlib.util.find_spec("shtab") is None:
        print("pushaside: It takes shtab: pip install 'pushaside[completion]'.", file=sys.stderr)
        return Exit.USAGE
    import shtab

    # All commands, which are imported for this and for nothing else.
    from pushaside.cli.main import build_whole_parser

    print(shtab.complete(build_whole_parser(), arguments.shell), flush=True)
    return Exit.OK
