"""The ready file: a start removes the one of an earlier run, and a ready runtime writes it as a whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson

from local.errors import CannotStartError


def prepare_ready_file(ready_file: Path | None) -> None:
    """Remove the ready file of an earlier run, so that no reader takes it for this one's."""
    if ready_file is None:
        return
    try:
        ready_file.unlink(missing_ok=True)
    except OSError as error:
        raise CannotStartError(f"The ready file {ready_file} cannot be written: {error.strerror}.") from error
    if not os.access(ready_file.parent, os.W_OK):
        raise CannotStartError(f"The ready file {ready_file} cannot be written: its folder does not exist.")


def write_ready_file(ready: dict[str, Any], ready_file: Path) -> None:
    """Write the ready file at once, so that no reader finds a part of it."""
    unfinished = ready_file.with_name(f".{ready_file.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)  # it may hold the secret of tokens, so other users can't read it
    unfinished.write_bytes(orjson.dumps(ready, option=orjson.OPT_INDENT_2) + b"\n")
    unfinished.replace(ready_file)
