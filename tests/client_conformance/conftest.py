"""One scripted service for all clients, and each client's verdicts, had once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.client_conformance.catalogue import HERE, load_clients, load_scenarios
from tests.client_conformance.running import Verdict, judge, run_client, scripted_service
from tests.patience import PATIENCE_SECONDS

_OLDEST_NODE = 20
_SOCKETS = HERE.parent / "node" / "node_modules" / "ws"


def runner_of(client: str) -> list[str]:
    """Find the command that plays a client's part; where it can't be run, the test is skipped, but fails in CI."""
    if client == "python":
        return [sys.executable, str(HERE / "python_runner.py")]
    if (lack := _lack_of_node()) is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(lack)
        pytest.skip(lack)
    return ["node", str(HERE / "runner.mjs")]


@cache
def _lack_of_node() -> str | None:
    if shutil.which("node") is None:
        return "node is not installed"
    version = subprocess.run(
        ["node", "--version"], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    ).stdout
    major = int(version.lstrip("v").split(".")[0])
    if major < _OLDEST_NODE:
        return f"node {version.strip()} is older than {_OLDEST_NODE}"
    if not _SOCKETS.is_dir():
        return "the packages of tests/node are not installed: npm ci --ignore-scripts"
    return None


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    with scripted_service() as url:
        yield url


@pytest.fixture(scope="session")
def verdicts_of(service: str) -> Callable[[str], dict[str, Verdict]]:
    """Run all scenarios that a client can play, the first time that one of its verdicts is asked for."""

    @cache
    def judge_client(client: str) -> dict[str, Verdict]:
        lacks = load_clients()[client].keys()
        scenarios = [each for each in load_scenarios().values() if not lacks & set(each["needs"])]
        return judge(service, client, scenarios, run_client(runner_of(client)))

    return judge_client
