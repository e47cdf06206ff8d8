"""`pushaside openapi` in an application's folder: what it writes, compares and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pushaside.cli.main import main


def run(application: Path, *arguments: str) -> int:
    return main(["openapi", "--app", str(application), *arguments])


def test_it_prints_yaml_with_a_path_for_the_folders_compute(
    application: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(application, "--title", "Shop", "--server", "https://api.example.com") == 0
    document = yaml.safe_load(capsys.readouterr().out)
    assert document["paths"]["/results/greeting"]["get"]["summary"] == "Greet."
    assert document["info"]["title"] == "Shop"
    assert document["servers"] == [{"url": "https://api.example.com"}]


def test_a_file_named_json_is_json(application: Path) -> None:
    output = application / "openapi.json"
    assert run(application, "--output", str(output)) == 0
    assert "/results/greeting" in json.loads(output.read_text())["paths"]


def test_check_fails_when_the_file_is_out_of_date(application: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = ("--output", str(application / "openapi.yaml"))
    assert run(application, *written, "--check") == 1
    assert "`pushaside openapi --output" in capsys.readouterr().err
    assert run(application, *written) == 0
    assert run(application, *written, "--check") == 0


def test_a_module_that_fails_is_one_sentence_and_code_2(application: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (application / "computes.py").write_text("import nowhere\n")
    assert run(application) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "computes.py, line 1: No module named 'nowhere'." in captured.err
