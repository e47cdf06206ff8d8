"""The subcommand `pushaside new`."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from local.errors import CannotStartError
from pushaside.cli.helping import describe
from pushaside_service import SKELETON

_RENAMED = {"gitignore": ".gitignore"}
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")

_DESCRIPTION = (
    "Make the folder NAME of a new application: a compute over a table, its test, and a template for AWS. "
    "`pushaside local --demo` runs it in the folder, and `pytest` tests it."
)
_EXAMPLES = [("pushaside new shop", "an application in the new folder `shop`")]


def add_parser(subparsers: Any) -> None:  # noqa: ANN401  # argparse has no public type for it
    """Add the subcommand to the command line of `pushaside`."""
    parser = subparsers.add_parser("new", help="make the folder of a new application", description=_DESCRIPTION)
    parser.add_argument("name", metavar="NAME", help="lower-case letters, digits and hyphens, such as order-tracker")
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run_command)


def run_command(arguments: argparse.Namespace) -> int:
    """Make the folder and return the exit code."""
    try:
        make_application(Path(arguments.name))
    except CannotStartError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"Made {arguments.name}. Next: cd {arguments.name} && pushaside local --demo")
    return 0


def make_application(folder: Path) -> None:
    """Write the skeleton of an application to a new folder, whole or not at all.

    Raises:
        CannotStartError: the folder's name is not an application's, it exists, or it cannot be written.

    """
    name = folder.name
    if not _NAME.fullmatch(name):
        raise CannotStartError(
            f"{name!r} is not a name of an application; use lower-case letters, digits and hyphens, a letter first."
        )
    if folder.exists():
        raise CannotStartError(f"{folder.resolve()} exists already; choose another name, or remove it.")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.resolve().parent) as unfinished:
            made = Path(unfinished, name)
            _write(made, name)
            made.rename(folder)
    except OSError as error:
        raise CannotStartError(f"{folder.resolve()} cannot be written: {error.strerror}.") from error


def _write(folder: Path, name: str) -> None:
    shutil.copytree(SKELETON, folder, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.write_text(path.read_text(encoding="utf-8").replace("{{name}}", name), encoding="utf-8")
        if path.name in _RENAMED:
            path.rename(path.with_name(_RENAMED[path.name]))
