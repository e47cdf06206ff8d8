"""The command line: parsing it, running one command, and its exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from pushaside.cli.commands import CommandUnavailableError, add_commands, add_whole_commands, find_command
from pushaside.cli.exits import Exit, describe_exits
from pushaside.cli.helping import Formatter
from pushaside.cli.suggestions import check_options, suggest

if TYPE_CHECKING:
    from pushaside.cli.commands import Subparsers

DESCRIPTION = "Request results from Pushaside, subscribe to updates, and run the service on this machine."

EPILOG = f"""\
environment:
  PUSHASIDE_URL             the service's URL, in place of --url
  PUSHASIDE_HTTP_URL        the URL of its HTTP API, if host or port differ
  PUSHASIDE_TOKEN           the token, in place of --token
  PUSHASIDE_WEBHOOK_SECRET  the secret that `listen` verifies with, in place of --secret
  NO_COLOR                  turns colours off

{describe_exits()}

`pushaside COMMAND --help` describes a command, with examples."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        parsed = _parse(arguments)
        return int(parsed.run(parsed))
    except CommandUnavailableError as exc:
        print(f"pushaside: {exc}", file=sys.stderr)
        return Exit.USAGE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe, which is no error. Python would report it again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser, subparsers = _build_root()
    place = find_command(arguments)
    wanted = None if place is None else arguments[place]
    add_commands(subparsers, wanted)
    check_options(parser, arguments[:place])
    if place is not None:
        if wanted not in subparsers.choices:
            parser.error(f"There is no command {wanted}.{suggest(str(wanted), subparsers.choices)}")
        check_options(subparsers.choices[wanted], arguments[place + 1 :])
    return parser.parse_args(arguments)


def build_whole_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands that can be imported, with their options."""
    parser, subparsers = _build_root()
    add_whole_commands(subparsers)
    return parser


def _build_root() -> tuple[argparse.ArgumentParser, Subparsers]:
    parser: argparse.ArgumentParser = _Parser(
        prog="pushaside",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=Formatter,
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    return parser, subparsers


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, without the usage; commands inherit this."""

    def error(self, message: str) -> NoReturn:
        self.exit(Exit.USAGE, f"{self.prog}: {end_sentence(message)} See `{self.prog} --help`.\n")


class _Version(argparse.Action):
    """An option that looks the version up only when it is used."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: object) -> None:
        super().__init__(option_strings, dest, nargs=0, help=str(kwargs["help"]))

    def __call__(self, parser: argparse.ArgumentParser, *_unused: object) -> None:
        from importlib.metadata import version

        print(f"pushaside {version('pushaside')}")
        parser.exit()


def end_sentence(text: str) -> str:
    """Return a text with a mark at its end."""
    return text if text.endswith((".", "?")) else f"{text}."
