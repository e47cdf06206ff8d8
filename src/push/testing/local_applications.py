"""An application that `pushaside local` runs for a session of tests, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

DECLARATION = "pushaside.toml"

_START_SECONDS, _STOP_SECONDS, _POLL_SECONDS = 120.0, 20.0, 0.05
_OUTPUT_CHARACTERS = 8000


class LocalStartError(RuntimeError):
    """`pushaside local` did not start; the message has what it printed."""


@dataclass(frozen=True)
class LocalApplication:
    """A running application: its addresses, its sources, and tokens of its callers.

    Args:
        websocket: the URL that clients connect to.
        http: the URL of the HTTP API, with a slash at its end.
        management: the endpoint of `@connections`, for any AWS SDK.
        aws_endpoint: the endpoint of the embedded AWS.
        tables: the physical names of the tables of `pushaside.toml`.
        buckets: those of the buckets.
        streams: those of the streams of Kinesis.
        notifications: the ARNs of the topics of SNS.
        token_secret: the secret that signs tokens; None if the application checks none.
        log: the file with everything that the application prints.

    """

    websocket: str
    http: str
    management: str
    aws_endpoint: str
    tables: Mapping[str, str]
    buckets: Mapping[str, str]
    streams: Mapping[str, str]
    notifications: Mapping[str, str]
    token_secret: str | None
    log: Path

    @property
    def aws(self) -> dict[str, str]:
        """The arguments of `boto3.client` and `boto3.resource` for the embedded AWS."""
        return {
            "endpoint_url": self.aws_endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }

    def table_name(self, name: str) -> str:
        """Return the physical name of a table of `pushaside.toml`."""
        return _find("tables", name, self.tables)

    def bucket_name(self, name: str) -> str:
        """Return the physical name of a bucket of `pushaside.toml`."""
        return _find("buckets", name, self.buckets)

    def stream_name(self, name: str) -> str:
        """Return the physical name of a stream of `pushaside.toml`."""
        return _find("streams", name, self.streams)

    def topic_arn(self, name: str) -> str:
        """Return the ARN of a topic in the notifications of `pushaside.toml`."""
        return _find("notifications", name, self.notifications)

    def table(self, name: str) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        """Return boto3's Table for a table of `pushaside.toml`: a test writes rows by its `put_item`."""
        return self._dynamodb.Table(self.table_name(name))

    def token(self, principal: str, *, tenant: str = "public", **claims: object) -> str:
        """Return a token of a principal, good for an hour.

        Raises:
            LookupError: the application checks no tokens.

        """
        import jwt

        if self.token_secret is None:
            raise LookupError('The application checks no tokens; set AuthMode = "jwt" in [parameters].')
        payload = {"sub": principal, "tenant": tenant, "exp": int(time.time()) + 3600, **claims}
        return jwt.encode(payload, self.token_secret, algorithm="HS256")

    def output(self) -> str:
        """Return the end of what the application has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-_OUTPUT_CHARACTERS:]

    @cached_property
    def _dynamodb(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        import boto3  # only here, so that a run without `pushaside_local` does not load it

        return boto3.resource("dynamodb", **self.aws)  # type: ignore[call-overload]  # the names are boto3's own


def _find(kind: str, name: str, known: Mapping[str, str]) -> str:
    if name not in known:
        has = ", ".join(sorted(known)) or f"no {kind}"
        raise LookupError(f"{DECLARATION} declares no [{kind}.{name}]. It declares: {has}.")
    return known[name]


@contextmanager
def run_locally(folder: Path, work: Path, *options: str) -> Iterator[LocalApplication]:
    """Run the application in `folder` by `pushaside local --demo` on a free port, until the block is left.

    No environment starts before its first event, because tests use few of the functions.

    Args:
        folder: the application.
        work: an empty folder for the ready file and the log.
        options: further options of the command.

    Raises:
        LocalStartError: the command ended, or was not ready in time.

    """
    ready_file, log = work / "ready.json", work / "log"
    command = [_find_command(), "local", "--demo", "--port", "0", "--workers", "0"]
    command += ["--app", str(folder), "--ready-file", str(ready_file), *options]
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = _start(command, theirs, log)
        try:
            _wait_until_ready(process, ready_file, log)
            yield _read(ready_file, log)
        finally:
            _stop(process)


def _start(command: list[str], lifeline: socket.socket, log: Path) -> subprocess.Popen[bytes]:
    """Start a command that ends with this process, even if something kills it."""
    ending_with_us = [sys.executable, "-P", "-m", "local.embedded.native_child", str(lifeline.fileno())]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - the project's own command
            [*ending_with_us, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            pass_fds=[lifeline.fileno()],
        )


def _read(ready_file: Path, log: Path) -> LocalApplication:
    ready = json.loads(ready_file.read_bytes())
    return LocalApplication(
        websocket=ready["websocket"],
        http=ready["http"],
        management=ready["management"],
        aws_endpoint=ready["aws_endpoint"],
        tables=ready["tables"],
        buckets=ready["buckets"],
        streams=ready["streams"],
        notifications=ready["notifications"],
        token_secret=ready.get("token_secret"),
        log=log,
    )


def _find_command() -> str:
    beside = Path(sys.executable).with_name("pushaside")
    found = str(beside) if beside.is_file() else shutil.which("pushaside")
    if found is None:
        raise LocalStartError("The command `pushaside` is not installed: pip install pushaside-service.")
    return found


def _wait_until_ready(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while not ready_file.exists():
        has_ended = process.poll() is not None
        if has_ended or time.monotonic() > give_up_at:
            why = f"ended with {process.returncode}" if has_ended else f"was not ready after {_START_SECONDS:g} s"
            said = log.read_text(encoding="utf-8", errors="replace")[-_OUTPUT_CHARACTERS:]
            raise LocalStartError(f"`pushaside local` {why}. It printed:\n{said}")
        time.sleep(_POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
