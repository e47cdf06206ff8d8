"""`pushaside completion`: writes the script by which a shell completes commands and options."""

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
    "Print a script by which your shell completes commands and options. The script contains all commands that are "
    "installed now, so pressing Tab does not start Python; write it again after you install another command. It needs "
    "shtab, which `pip install 'pushaside[completion]'` installs."
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
        print("pushaside: Completions need shtab: pip install 'pushaside[completion]'.", file=sys.stderr)
        return Exit.USAGE
    import shtab

    # This imports all commands, which only completion needs.
    from pushaside.cli.main import build_whole_parser

    print(shtab.complete(build_whole_parser(), arguments.shell), flush=True)
    return Exit.OK
