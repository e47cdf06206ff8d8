"""Everything that is published has the one version, and the workflows run what contributors run."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
VERSION = (ROOT / "VERSION").read_text().strip()
PROJECTS = (".", "clients/python", "clients/tools")


@pytest.mark.parametrize("project", PROJECTS)
def test_every_distribution_reads_the_one_version(project: str) -> None:
    document: dict[str, Any] = tomllib.loads((ROOT / project / "pyproject.toml").read_text())
    assert document["project"]["dynamic"] == ["version"]
    assert document["tool"]["setuptools"]["dynamic"]["version"] == {"file": "VERSION"}
    assert (ROOT / project / "VERSION").resolve() == (ROOT / "VERSION").resolve()


def test_the_npm_package_has_the_version() -> None:
    assert json.loads((ROOT / "clients/browser/package.json").read_text())["version"] == VERSION
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", VERSION)


@pytest.mark.parametrize("name", ["ci", "release"])
def test_the_workflows_run_the_contributors_script_and_hold_no_secret(name: str) -> None:
    text = (ROOT / f".github/workflows/{name}.yaml").read_text()
    steps = [step for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"]]
    assert ".ci/run" in [step.get("run") for step in steps]
    assert "secrets." not in text
