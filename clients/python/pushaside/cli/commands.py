"""The registry of commands: this package's own, and those of other distributions.

A distribution adds a command by an entry point of the group `pushaside.commands`. It names a function
`add_parser(subparsers) -> None` that adds an argparse parser and sets its default `run`, a function from the parsed
arguments to an exit code. Only the command that runs is imported.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  (argparse has no public name for it)
    AddParser = Callable[[Subparsers], None]

GROUP = "pushaside.commands"

OWN = {
    "request": "request the result of a compute",
    "subscribe": "print the updates of a channel or of a result",
    "publish": "publish a message to a channel",
    "changed": "say that the sources of tags changed",
    "computes": "list the computes on offer",
    "types": "write TypeScript declarations for the computes on offer",
    "listen": "receive webhooks, and verify them",
    "ping": "measure the round trip to the service",
    "token": "make a token, signed with the service's secret",
    "completion": "write shell completions for commands and options",
}


KNOWN = {
    "plan": "compute what a deployment for a load needs of AWS, and what it costs",
    "load": "put load on the service, measure it, and check every answer",
    "local": "run an application, or the whole service, on this machine",
    "new": "make the folder of a new application",
    "build": "build an application for `sam deploy`",
    "openapi": "write the OpenAPI description of the computes on offer",
    "redrive": "send dead letters again",
}
"""Commands of the project's other distributions, where the distribution's own summary does not describe them."""

INSTALLED_BY = {
    "plan": "pushaside-tools",
    "load": "pushaside-tools",
    "new": "pushaside-service",
    "local": "pushaside-service",
    "build": "pushaside-service",
    "openapi": "pushaside-service",
    "redrive": "pushaside-service",
}
"""The distribution of each of these commands. All distributions have one version."""


class CommandUnavailableError(Exception):
    """A command is installed but cannot be imported; the message is a sentence."""


def add_commands(subparsers: Subparsers, wanted: str | None) -> None:
    """Add the wanted command with its options; if there is none of that name, add all commands by name, for `--help`.

    Raises:
        CommandUnavailableError: the wanted command cannot be imported, or its distribution is not installed or has
            another version.

    """
    if wanted in OWN:
        importlib.import_module(f"pushaside.cli.{wanted}").add_parser(subparsers)
        return
    others = _find_others()
    if wanted is not None and wanted in others:
        _load(others[wanted])(subparsers)
        return
    if wanted in INSTALLED_BY:
        distribution = INSTALLED_BY[wanted]
        raise CommandUnavailableError(
            f"`pushaside {wanted}` needs {distribution}; `pip install {distribution}` installs it."
        )
    for name, summary in OWN.items():
        subparsers.add_parser(name, help=summary)
    for name, entry_point in others.items():
        subparsers.add_parser(name, help=_summarize(entry_point))


def add_whole_commands(subparsers: Subparsers) -> None:
    """Add all commands with their options, except for those that cannot be imported."""
    for name, summary in OWN.items():
        importlib.import_module(f"pushaside.cli.{name}").add_parser(_Summarizing(subparsers, summary))
    for entry_point in _find_others().values():
        with contextlib.suppress(CommandUnavailableError):
            _load(entry_point)(subparsers)


class _Summarizing:
    """Adds parsers with a summary; argparse hides parsers without one from lists of commands."""

    def __init__(self, subparsers: Subparsers, summary: str) -> None:
        self._subparsers = subparsers
        self._summary = summary

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:  # noqa: ANN401  (argparse's own)
        """Add a parser."""
        return self._subparsers.add_parser(name, **{"help": self._summary, **options})


def find_command(arguments: Sequence[str]) -> int | None:
    """Return the place of the command: the first argument that is no option."""
    return next((place for place, each in enumerate(arguments) if not each.startswith("-")), None)


def _find_others() -> dict[str, EntryPoint]:
    # Reading the installed entry points takes longer than all other imports of `pushaside request`.
    from importlib.metadata import entry_points

    found = sorted(entry_points(group=GROUP), key=lambda entry_point: entry_point.name)
    return {entry_point.name: entry_point for entry_point in found}


def _load(entry_point: EntryPoint) -> AddParser:
    _check_version(entry_point)
    try:
        add_parser: AddParser = entry_point.load()
    except (ImportError, AttributeError) as exc:
        raise CommandUnavailableError(f"The command {entry_point.name!r} cannot be loaded: {exc}.") from exc
    return add_parser


def _check_version(entry_point: EntryPoint) -> None:
    """Refuse a command of the project's other distributions if its version is not this package's."""
    if entry_point.dist is None or entry_point.dist.name not in INSTALLED_BY.values():
        return
    from importlib.metadata import version

    own, other = version("pushaside"), entry_point.dist.version
    if other != own:
        name = entry_point.dist.name
        raise CommandUnavailableError(
            f"pushaside is version {own} and {name} is version {other}, but they need the same version; "
            f"`pip install --upgrade pushaside {name}` installs it."
        )


def _summarize(entry_point: EntryPoint) -> str:
    """Describe a command without importing it, by its distribution's summary if nothing else is known."""
    if entry_point.name in KNOWN:
        return KNOWN[entry_point.name]
    if entry_point.dist is None:
        return entry_point.value
    summary = str(entry_point.dist.metadata["Summary"] or entry_point.dist.name)
    return f"{summary[:1].lower()}{summary[1:]}"
