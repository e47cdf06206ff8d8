"""An application that `pushaside local` runs for a session of tests, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

DECLARATION = "pushaside.toml"

_OWN_STACK, _SERVICE_STACK = "application", "local"
_START_SECONDS, _STOP_SECONDS, _POLL_SECONDS = 120.0, 20.0, 0.05
_OUTPUT_CHARACTERS = 8000


class LocalStartError(RuntimeError):
    """`pushaside local` did not start; the message has what it printed."""


@dataclass(frozen=True)
class LocalApplication:
    """A running application: its addresses, its tables and buckets, and tokens of its callers.

    Args:
        folder: the application's folder.
        websocket: the URL that clients connect to.
        http: the URL of the HTTP API, with a slash at its end.
        management: the endpoint of `@connections`, for any AWS SDK.
        aws_endpoint: the endpoint of the embedded AWS.
        log: the file with everything that the application prints.

    """

    folder: Path
    websocket: str
    http: str
    management: str
    aws_endpoint: str
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

    @cached_property
    def resources(self) -> Mapping[str, str]:
        """The physical names of the resources of the application's template, by logical id."""
        return self._resources_of(_OWN_STACK)

    def table_name(self, name: str) -> str:
        """Return the physical name of a table of `pushaside.toml`."""
        return self._physical_name("tables", name)

    def bucket_name(self, name: str) -> str:
        """Return the physical name of a bucket of `pushaside.toml`."""
        return self._physical_name("buckets", name)

    def table(self, name: str) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        """Return boto3's Table for a table of `pushaside.toml`: a test writes rows by its `put_item`."""
        return self._dynamodb.Table(self.table_name(name))

    def token(self, principal: str, *, tenant: str = "public", **claims: object) -> str:
        """Return a token of a principal, good for an hour, which an application with `AuthMode = "jwt"` accepts."""
        import jwt

        payload = {"sub": principal, "tenant": tenant, "exp": int(time.time()) + 3600, **claims}
        return jwt.encode(payload, self._token_secret, algorithm="HS256")

    def output(self) -> str:
        """Return the end of what the application has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-_OUTPUT_CHARACTERS:]

    def _physical_name(self, kind: str, name: str) -> str:
        declared: Mapping[str, Mapping[str, str]] = self._declaration.get(kind) or {}
        if name not in declared:
            raise LookupError(
                f"{self.folder / DECLARATION} declares no [{kind}.{name}]. "
                f"It declares: {', '.join(sorted(declared)) or f'no {kind}'}."
            )
        return declared[name].get("name") or self.resources[name]

    @cached_property
    def _declaration(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / DECLARATION).read_text(encoding="utf-8"))

    @cached_property
    def _dynamodb(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        import boto3  # only here, so that a run without `pushaside_local` does not load it

        return boto3.resource("dynamodb", **self.aws)  # type: ignore[call-overload]  # the names are boto3's own

    @cached_property
    def _token_secret(self) -> str:
        import boto3

        name = self._resources_of(_SERVICE_STACK)["TokenSecret"]
        client: Any = boto3.client("secretsmanager", **self.aws)  # type: ignore[call-overload]
        secret: str = client.get_secret_value(SecretId=name)["SecretString"]
        return secret

    def _resources_of(self, stack: str) -> dict[str, str]:
        import boto3

        client: Any = boto3.client("cloudformation", **self.aws)  # type: ignore[call-overload]
        found = client.describe_stack_resources(StackName=stack)["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}


@contextmanager
def run_locally(folder: Path, work: Path, *options: str) -> Iterator[LocalApplication]:
    """Run the application in `folder` by `pushaside local --demo` on a free port, until the block is left.

    Args:
        folder: the application.
        work: an empty folder for the ready file and the log.
        options: further options of the command.

    Raises:
        LocalStartError: the command ended, or was not ready in time.

    """
    ready_file, log = work / "ready.json", work / "log"
    command = [_find_command(), "local", "--demo", "--port", "0"]
    command += ["--app", str(folder), "--ready-file", str(ready_file), *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the project's own command
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
    try:
        _wait_until_ready(process, ready_file, log)
        ready = json.loads(ready_file.read_bytes())
        addresses = {name: ready[name] for name in ("websocket", "http", "management", "aws_endpoint")}
        yield LocalApplication(folder, **addresses, log=log)
    finally:
        _stop(process)


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
