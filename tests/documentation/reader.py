"""A reader of the pages, who types what they say: in a folder of his own, with a stack running."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.documentation.blocks import ROOT
from tests.e2e.conftest import Stack
from tests.patience import PATIENCE_SECONDS

SECONDS = PATIENCE_SECONDS
NODE_MODULES = ROOT / "tests/node/node_modules"
SHELLS_FOLDERS = (".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program printed, and how it ended: None if it was stopped because it had said what it was to say."""

    code: int | None
    output: str
    errors: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Where the reader is, and what runs there."""

    stack: Stack
    folder: Path

    def settle(self) -> None:
        """Put into the folder what pages take to be there."""
        (self.folder / "secret").write_text(SECRET)
        for module in (ROOT / "clients/browser").glob("*.js"):
            shutil.copy(module, self.folder)
        (self.folder / "node_modules").symlink_to(NODE_MODULES)
        for folder in SHELLS_FOLDERS:
            (self.folder / folder).mkdir(parents=True)

    def at(self, text: str) -> str:
        """Return what a page says, with this stack's addresses in place of the usual ones."""
        for usual, own in (
            ("ws://127.0.0.1:8080/v1", self.stack.websocket),
            ("wss://push.example.com/v1", self.stack.websocket),
            ("http://127.0.0.1:8080/v1", self.stack.management),
            ("http://127.0.0.1:8080", self.stack.http.rstrip("/")),
            ("http://127.0.0.1:4566", self.stack.aws_endpoint),
        ):
            text = text.replace(usual, own)
        return text

    def environment(self) -> dict[str, str]:
        """Return an environment in which the commands of the project are on PATH and ask this stack."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PUSHASIDE_"))}
        return {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PUSHASIDE_URL": self.stack.websocket,
            "PUSHASIDE_HTTP_URL": self.stack.http,
            "STACK_URL": self.stack.websocket,
            "STACK_HTTP_URL": self.stack.http,
        }

    def start(
        self, *command: str, stderr: int = subprocess.PIPE, has_own_terminal: bool = False
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=has_own_terminal,
        )

    def run(self, *command: str, until: str = "") -> Ended:
        """Run a program to its end, or until it has printed something.

        Raises:
            subprocess.TimeoutExpired: It did neither.
        """
        process = self.start(*command)
        try:
            said = wait_until_said(process, until) if until else ""
            if said and until in said:
                return Ended(None, said, "")
            output, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
            process.communicate()
        return Ended(process.returncode, said + output, errors)

    @contextmanager
    def traffic(self, topic: str = "demo:news") -> Iterator[None]:
        """Let others publish to a channel, until the block is left."""
        is_over = threading.Event()
        publishing = threading.Thread(target=self._publish, args=(topic, is_over))
        publishing.start()
        try:
            yield
        finally:
            is_over.set()
            publishing.join()

    def _publish(self, topic: str, is_over: threading.Event) -> None:
        body = json.dumps({"data": {"text": "hello"}}).encode()
        headers = {"Content-Type": "application/json"}
        while not is_over.wait(0.3):
            asked = urllib.request.Request(f"{self.stack.http}topics/{topic}", body, headers)
            urllib.request.urlopen(asked, timeout=SECONDS).close()


def wait_until_said(process: subprocess.Popen[str], text: str) -> str:
    """Read what a program prints until the text is in it, or until it prints no more."""
    assert process.stdout is not None
    descriptor, said = process.stdout.fileno(), ""
    deadline = time.monotonic() + SECONDS
    while text not in said or not said:
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise subprocess.TimeoutExpired(process.args, SECONDS, said)
        piece = os.read(descriptor, 65536).decode()
        if not piece:
            break
        said += piece
    return said


class Started:
    """A command that goes on until Ctrl-C, in a terminal of its own."""

    def __init__(self, reader: Reader, line: str) -> None:
        self.line = line
        self._process = reader.start("bash", "-c", f"exec {line}", stderr=subprocess.STDOUT, has_own_terminal=True)
        self.said = wait_until_said(self._process, "\n")

    def hear_more(self) -> None:
        """Wait until it has said something more, or has ended."""
        self.said += wait_until_said(self._process, "\n")

    def stop(self) -> tuple[int, str]:
        """Press Ctrl-C, unless it has ended; return its exit code and all that it said."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        try:
            said, _ = self._process.communicate(timeout=SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
        return self._process.returncode, self.said + said


def steady(text: str) -> str:
    """Take out of an output what is another at each time: numbers, epochs, where a result came from."""
    text = re.sub(r"\b(hit|miss|stale)\b", "cached", text)
    return re.sub(r"\d+(\.\d+)?", "#", re.sub(r"(?<![\w-])[\w-]{8}:\d+\b", "position", text))
