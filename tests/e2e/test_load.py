"""`pushaside load` on the whole stack: requests and messages at once, everything checked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import COMMAND, Stack
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


def test_requests_and_messages_at_once_come_through_without_a_flaw(stack: Stack, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    requests = ("--rate", "50", "--connections", "5", "--cold-share", "0.1")
    messages = ("--subscribers", "12", "--topics", "3", "--publish-rate", "10", "--publishers", "3")
    command = [COMMAND, "load", "--url", stack.websocket, "--json", "--duration", "2", *requests, *messages]

    ended = subprocess.run(
        [*command, "--html", report, "--processes", "2"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    told = json.loads(ended.stdout)
    channels = told["channels"]
    assert (told["results"], told["errors"]) == (100, {})
    assert told["cache"].get("miss", 0) > 0
    assert (channels["subscribed"], channels["confirmed"], channels["delivered"]) == (12, 20, 80)
    assert channels["errors"] == {}
    assert "Every subscriber received every message once and in order." in report.read_text()
