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
from pushaside.cli.suggestions import suggest
from pushaside_service import EXAMPLES, SKELETON

_GITIGNORE = "gitignore"
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
_BEARS_NAME = {
    "pushaside.toml": 'name = "{}"',
    "template.yaml": "Description: {}, with",
    "samconfig.toml": 'stack_name = "{}"',
    "computes/__init__.py": "The computes of {}:",
    "README.md": "# {}\n",
}
"""The places where an example has its own name."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")

_DESCRIPTION = (
    "Make the folder NAME of a new application: a compute over a table, its test, and a template for AWS. "
    "`pushaside local --demo` runs it in the folder, and `pytest` tests it. --template begins with a whole application "
    "instead, which has a page."
)
_EXAMPLES = [
    ("pushaside new shop", "an application in the new folder `shop`"),
    ("pushaside new tracker --template orders", "a copy of the order tracker in the new folder `tracker`"),
]


def add_parser(subparsers: Any) -> None:  # noqa: ANN401  # argparse has no public type for it
    """Add the subcommand to the command line of `pushaside`."""
    parser = subparsers.add_parser("new", help="make the folder of a new application", description=_DESCRIPTION)
    parser.add_argument("name", metavar="NAME", help="lower-case letters, digits and hyphens, such as order-tracker")
    parser.add_argument(
        "--template", metavar="T", help=f"the application to copy: {', '.join(templates())} (default: a small one)"
    )
    describe(parser, _EXAMPLES)
    parser.set_defaults(run=run_command)


def run_command(arguments: argparse.Namespace) -> int:
    """Make the folder and return the exit code."""
    try:
        make_application(Path(arguments.name), arguments.template)
    except CannotStartError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"Made {arguments.name}. Next: cd {arguments.name} && pushaside local --demo")
    return 0


def templates() -> list[str]:
    """Return the names of the applications that `--template` can copy."""
    return sorted(path.parent.name for path in EXAMPLES.glob("*/pushaside.toml"))


def make_application(folder: Path, template: str | None = None) -> None:
    """Write a small application, or a copy of an example, to a new folder, whole or not at all.

    Raises:
        CannotStartError: the folder's name is not an application's, it exists or cannot be written, or there is no
            such template.

    """
    name = folder.name
    if not _NAME.fullmatch(name):
        raise CannotStartError(
            f"{name!r} is not a name of an application; use lower-case letters, digits and hyphens, a letter first."
        )
    if template is not None and template not in templates():
        raise CannotStartError(
            f"No template is named `{template}`.{suggest(template, templates())} There are: {', '.join(templates())}."
        )
    if folder.exists():
        raise CannotStartError(f"{folder.resolve()} exists already; choose another name, or remove it.")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.resolve().parent) as unfinished:
            made = Path(unfinished, name)
            if template is None:
                _write(made, name)
            else:
                _copy(template, made, name)
            made.rename(folder)
    except OSError as error:
        raise CannotStartError(f"{folder.resolve()} cannot be written: {error.strerror}.") from error


def _write(folder: Path, name: str) -> None:
    shutil.copytree(SKELETON, folder, ignore=_NOT_COPIED)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.write_text(path.read_text(encoding="utf-8").replace("{{name}}", name), encoding="utf-8")
    (folder / _GITIGNORE).rename(folder / f".{_GITIGNORE}")


def _copy(template: str, folder: Path, name: str) -> None:
    shutil.copytree(EXAMPLES / template, folder, ignore=_NOT_COPIED)
    for file, place in _BEARS_NAME.items():
        path = folder / file
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(place.format(template), place.format(name), 1), encoding="utf-8")
    shutil.copy2(SKELETON / _GITIGNORE, folder / f".{_GITIGNORE}")
