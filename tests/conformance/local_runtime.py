"""Stacks run by `pushaside local`, each in a process of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conformance.targets import STACKS, Limits, Target, Trait
from tests.patience import PATIENCE_SECONDS

_COMMAND = Path(sys.executable).with_name("pushaside")
_POLL_SECONDS = 0.05


class LocalTargets:
    """Starts the runtime for a stack when it is asked for, and ends it afterwards."""

    @contextmanager
    def deployed(self, stack: str, limits: Limits) -> Iterator[Target]:
        """Run `stack/<stack>.yaml` on a free port."""
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            ready_file, log = Path(folder, "ready.json"), Path(folder, "log")
            command = [str(_COMMAND), "local", "--template", str(STACKS / f"{stack}.yaml"), "--port", "0"]
            command += ["--ready-file", str(ready_file), "--throttle", "--workers", "0", *_limit_flags(limits)]
            with log.open("wb") as output:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=_environment()
                )
            try:
                yield _target(_when_ready(process, ready_file, log))
            finally:
                _end(process)


def _limit_flags(limits: Limits) -> list[str]:
    flags = {"--idle-timeout": limits.idle_seconds, "--max-connection": limits.connection_seconds}
    return [part for flag, seconds in flags.items() if seconds is not None for part in (flag, str(seconds))]


def _environment() -> dict[str, str]:
    """Leave out what would lead an AWS SDK elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def _when_ready(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> Mapping[str, Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the runtime did not become ready; it said:\n{log.read_text()[-4000:]}")
        time.sleep(_POLL_SECONDS)
    ready: Mapping[str, Any] = json.loads(ready_file.read_text())
    return ready


def _target(ready: Mapping[str, Any]) -> Target:
    target = Target(
        websocket_url=ready["websocket"],
        management_endpoint=ready["management"],
        http_url=ready["http"],
        aws_endpoint=ready["aws_endpoint"],
        events_table=None,
        region="us-east-1",
        traits=frozenset(Trait),
    )
    tables = target.client("dynamodb").list_tables()["TableNames"]
    return dataclasses.replace(target, events_table=tables[0] if tables else None)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE_SECONDS)
