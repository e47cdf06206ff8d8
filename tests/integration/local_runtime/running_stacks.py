"""The runtime as a person starts it: `pushaside local` in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import redis
from websockets.sync.client import ClientConnection, connect

from tests.patience import PATIENCE_SECONDS

STACK = Path(__file__).with_name("stack")
TEMPLATE = STACK / "template.yaml"
COMMAND = str(Path(sys.executable).with_name("pushaside"))


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that is up: what its ready file says, and the ways into it."""

    process: subprocess.Popen[bytes]
    ready: dict[str, Any]
    log: Path

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.ready['http']}_local/stats", timeout=PATIENCE_SECONDS) as answer:
            document: dict[str, Any] = json.load(answer)
        return document

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.ready["http"] + path, timeout=PATIENCE_SECONDS) as answer:
            text: str = answer.read().decode()
        return text

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.ready["aws_endpoint"],
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.ready["redis_url"])

    def connect(self) -> ClientConnection:
        return connect(self.ready["websocket"], open_timeout=PATIENCE_SECONDS)

    def ask(self, **message: Any) -> Any:
        """Send one message over a new connection and return its answer."""
        with self.connect() as socket:
            socket.send(json.dumps(message))
            return json.loads(socket.recv(timeout=PATIENCE_SECONDS))

    def pids(self) -> dict[str, list[int]]:
        """The processes of the stack by kind."""
        processes = self.stats()["processes"]
        workers = [worker["pid"] for worker in processes.pop("workers")]
        return {"workers": workers, **{name: [pid] for name, pid in processes.items()}}


def command_line(*flags: object) -> list[str]:
    return [COMMAND, "local", *map(str, flags)]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def start(folder: Path, *flags: object) -> RunningStack:
    """Start a stack on a free port and return it when it is ready."""
    ready_file, log = folder / "ready.json", folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command_line("--template", TEMPLATE, "--port", 0, "--ready-file", ready_file, *flags),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(),
        )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ready_file.exists():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return RunningStack(process, json.loads(ready_file.read_text()), log)


def stop(stack: RunningStack) -> None:
    stack.process.terminate()
    try:
        stack.process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        stack.process.kill()
        raise


@contextlib.contextmanager
def running(folder: Path, *flags: object) -> Iterator[RunningStack]:
    stack = start(folder, *flags)
    try:
        yield stack
    finally:
        stop(stack)


def refuse(*flags: object) -> subprocess.CompletedProcess[str]:
    """Start what cannot be started, and return how that ended."""
    return subprocess.run(
        command_line("--port", 0, *flags), capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=environment()
    )


def eventually(is_true: Any, seconds: float = PATIENCE_SECONDS) -> Any:
    """Return the first true answer of `is_true`; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := is_true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return answer
