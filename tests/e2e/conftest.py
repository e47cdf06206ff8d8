"""The whole stack as `make run` starts it, on a free port, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.e2e.sources import Sources
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("pushaside")


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack: where it is, and what it says of itself."""

    websocket: str
    http: str
    management: str
    aws_endpoint: str
    redis_url: str
    pid: int
    log: Path

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.http.rstrip('/')}/_local/stats", timeout=PATIENCE_SECONDS) as answer:
            document: dict[str, Any] = json.load(answer)
        return document

    def client(self, service: str) -> Any:
        endpoint = self.management if service == "apigatewaymanagementapi" else self.aws_endpoint
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def resources(self) -> dict[str, str]:
        """Return the physical id of each resource of the template."""
        resources = self.client("cloudformation").describe_stack_resources(StackName="local")["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}


@contextmanager
def running(folder: Path, *flags: str) -> Iterator[Stack]:
    """Run the stack with further flags. No environment starts before its first event: tests use few functions."""
    ready_file, log = folder / "ready.json", folder / "log"
    command = [COMMAND, "local", "--demo", "--port", "0", "--workers", "0", "--ready-file", ready_file, *flags]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
    try:
        yield _when_ready(process, ready_file, log)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE_SECONDS)


def _when_ready(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> Stack:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the stack did not become ready; it said:\n{log.read_text()[-4000:]}")
        time.sleep(0.05)
    ready = json.loads(ready_file.read_text())
    return Stack(**{name: ready[name] for name in Stack.__slots__ if name in ready}, log=log)


# Not for the whole session: an idle stack polls its queues. `__init__.py` makes a package of each folder with one.
@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("stack")) as started:
        yield started


@pytest.fixture(scope="module")
def sources(stack: Stack) -> Sources:
    return Sources(stack, stack.resources())
