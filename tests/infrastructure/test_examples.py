"""The applications in examples/: each is whole, small and listed, and declares the same here and on AWS."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.application.declaration import read_application
from local.application.own_template import read_own_template
from local.deploying.sam_template import read_template

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/pushaside.toml"))
MOST_LINES = 100
MOST_LINES_OF_A_README = 60
NOT_COUNTED = {".pushaside", ".aws-sam", "__pycache__", ".pytest_cache"}

pytestmark = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not NOT_COUNTED & set(path.parts)]


def given(folder: Path) -> dict[str, Any]:
    """Return the parameters that an example's template gives Pushaside."""
    resources = read_template(folder / "template.yaml")["Resources"].values()
    nested = next(each for each in resources if each["Type"] == "AWS::Serverless::Application")
    parameters: dict[str, Any] = nested["Properties"]["Parameters"]
    return parameters


def test_it_has_what_an_application_has(folder: Path) -> None:
    names = {"README.md", "computes", "pushaside.toml", "requirements.txt", "template.yaml", "tests"}
    assert names <= {path.name for path in folder.iterdir()}


def test_its_template_brings_in_pushaside_and_has_the_declared_sources(folder: Path) -> None:
    own = read_own_template(read_application(folder))
    assert "Pushaside" not in own.body["Resources"]


def test_its_template_names_the_same_modules_and_topics(folder: Path) -> None:
    application, parameters = read_application(folder), given(folder)
    assert parameters["ComputeModules"] == application.modules
    assert json.loads(parameters.get("Topics", application.topics) or "[]") == json.loads(application.topics or "[]")


def test_it_is_small(folder: Path) -> None:
    long = {path.name: count for path in files(folder) if (count := len(path.read_text().splitlines())) > MOST_LINES}
    assert long == {}
    assert len((folder / "README.md").read_text().splitlines()) <= MOST_LINES_OF_A_README


def test_its_readme_has_a_picture_and_the_index_lists_it(folder: Path) -> None:
    assert re.search(r"```mermaid|\.svg\)", (folder / "README.md").read_text())
    assert f"({folder.name}/README.md)" in (EXAMPLES / "README.md").read_text()


def test_its_readme_names_files_that_it_has(folder: Path) -> None:
    names = {path.name for path in files(folder)}
    named = re.findall(r"`([\w./-]+\.(?:py|js|html|toml|yaml|json|txt))`", (folder / "README.md").read_text())
    made = {"ready.json", "pushaside.js", "react.js"}  # by the reader, and by the npm package
    assert {Path(name).name for name in named} - made <= names
