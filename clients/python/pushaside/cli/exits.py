"""Exit codes, the same for all commands; scripts rely on them."""

from __future__ import annotations

from enum import IntEnum

from pushaside.errors import PushasideError, RequestTimeoutError, ServiceConnectionError


class Exit(IntEnum):
    """The exit code of a command."""

    OK = 0
    ERROR = 1
    USAGE = 2
    CONNECTION = 3
    TIMEOUT = 4
    INTERRUPTED = 130


MEANINGS = {
    Exit.OK: "done",
    Exit.ERROR: "the service answered with an error",
    Exit.USAGE: "the command line or its input is wrong",
    Exit.CONNECTION: "no connection to the service, or it was lost",
    Exit.TIMEOUT: "no answer before the deadline",
    Exit.INTERRUPTED: "stopped by Ctrl-C",
}


def exit_of(error: PushasideError) -> Exit:
    """Return the exit code of a command that fails with this error.

    >>> exit_of(RequestTimeoutError("There was no answer within 30 s."))
    <Exit.TIMEOUT: 4>
    """
    match error:
        case RequestTimeoutError():
            return Exit.TIMEOUT
        case ServiceConnectionError():
            return Exit.CONNECTION
        case _:
            return Exit.ERROR


def describe_exits() -> str:
    """Return the table of exit codes at the end of `--help`."""
    rows = [f"  {code.value:<4} {meaning}" for code, meaning in MEANINGS.items()]
    return "\n".join(["exit codes:", *rows])
