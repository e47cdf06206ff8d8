"""The scenarios, read from their files and completed: what a file leaves out is in defaults.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.client_conformance.templates import fill_in

HERE = Path(__file__).parent

Scenario = dict[str, Any]


def read_json(path: Path) -> Any:
    """Read a file of JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def scenario_files() -> list[Path]:
    """List the files that hold scenarios."""
    return sorted((HERE / "scenarios").glob("*.json"))


def load_scenarios() -> dict[str, Scenario]:
    """Read all scenarios, by name.

    Raises:
        ValueError: two have the same name.

    """
    scenarios: dict[str, Scenario] = {}
    for path in scenario_files():
        for scenario in read_json(path)["scenarios"]:
            if scenario["name"] in scenarios:
                raise ValueError(f"There are two scenarios {scenario['name']!r}.")
            scenarios[scenario["name"]] = _complete(scenario, path.stem)
    return scenarios


def load_clients() -> dict[str, dict[str, str]]:
    """Read what each client lacks, with the reason, by the client's name."""
    clients: dict[str, dict[str, str]] = read_json(HERE / "clients.json")
    return clients


def _complete(scenario: Scenario, subject: str) -> Scenario:
    steps = scenario["client"]
    if steps[0]["do"] != "connect":
        steps = [{"do": "connect"}, *steps]
    settings = read_json(HERE / "defaults.json")["settings"] | scenario.get("settings", {})
    blank: Scenario = {"needs": [], "tokens": [], "links": {}}
    return blank | scenario | {"subject": subject, "settings": settings, "client": fill_in(steps, {})}
