"""Commands that write a file from the computes on offer: their options, and the comparison with an older file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from pushaside.cli.catalogues import Catalogue, CatalogueUnavailableError, add_catalogue_arguments, read_catalogue
from pushaside.cli.exits import Exit


def add_generator_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the computes and the file."""
    add_catalogue_arguments(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to FILE, not to standard output")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if --output is out of date")


def generate(arguments: argparse.Namespace, command: str, render: Callable[[Catalogue], str]) -> int:
    """Write the text that `render` makes of the catalogue, or compare it with the file; return the exit code."""
    if arguments.check and arguments.output is None:
        return _refuse("--check needs --output FILE, the file that it compares.")
    try:
        text = render(read_catalogue(arguments))
        if arguments.check:
            return _check(arguments.output, text, command)
        if arguments.output is None:
            print(text, end="", flush=True)
        else:
            arguments.output.write_text(text, encoding="utf-8")
    except CatalogueUnavailableError as exc:
        return _refuse(str(exc))
    except OSError as exc:
        return _refuse(f"{arguments.output} cannot be used: {exc.strerror}.")
    return Exit.OK


def _check(path: Path, text: str, command: str) -> int:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return Exit.OK
    print(f"pushaside: {path} is out of date; `pushaside {command} --output {path}` writes it.", file=sys.stderr)
    return Exit.ERROR


def _refuse(sentence: str) -> int:
    print(f"pushaside: {sentence}", file=sys.stderr)
    return Exit.USAGE
