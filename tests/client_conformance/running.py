"""Runs scenarios against a client: the service as a process by itself, and the client's runner as another."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.client_conformance.catalogue import HERE, Scenario
from tests.client_conformance.checking import find_problems

ROOT = HERE.parents[1]
RUN_SECONDS = 60.0
"""So long a client may take for all scenarios."""

_START_SECONDS = 20.0

Play = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
"""Has a client play scenarios, and returns its reports."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a client did in one scenario; `received` is what the service was sent."""

    problems: list[str]
    received: list[Any]


@contextlib.contextmanager
def scripted_service() -> Iterator[str]:
    """Start the service, and yield its URL."""
    command = [sys.executable, "-m", "tests.client_conformance.service"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError("The scripted service did not start; its errors are above.")
            yield url
        finally:
            process.terminate()
            process.wait(_START_SECONDS)


def run_client(command: Sequence[str]) -> Play:
    """Make a `Play` of a runner's command."""

    def play(scenarios: list[dict[str, Any]]) -> list[dict[str, Any]]:
        done = subprocess.run(
            command,
            cwd=ROOT,
            input=json.dumps(scenarios),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=RUN_SECONDS,
        )
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    return play


def judge(service: str, run: str, scenarios: Sequence[Scenario], play: Play) -> dict[str, Verdict]:
    """Have a client play scenarios in a run of its own, and tell by their names how it did."""
    given = [_for_runner(service, run, each) for each in scenarios]
    reports = {report["name"]: report for report in play(given)}
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda each: _get(f"{each['base']}/report"), given))
    return {
        scenario["name"]: _judge_one(scenario, reports.get(scenario["name"]), of_service)
        for scenario, of_service in zip(scenarios, said, strict=True)
    }


def _judge_one(scenario: Scenario, report: dict[str, Any] | None, of_service: dict[str, Any]) -> Verdict:
    of_client = ["it made no report"] if report is None else find_problems(scenario, report)
    problems = [f"client: {each}" for each in of_client] + [f"service: {each}" for each in of_service["problems"]]
    return Verdict(problems, of_service["received"])


def _for_runner(service: str, run: str, scenario: Scenario) -> dict[str, Any]:
    """Make what a runner needs to know of a scenario."""
    base = f"{service}/scenarios/{scenario['name']}/{run}"
    told = {name: scenario[name] for name in ("name", "settings", "tokens", "client")}
    return {**told, "base": base, "url": f"ws{base.removeprefix('http')}/socket"}


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=_START_SECONDS) as response:
        return json.load(response)
