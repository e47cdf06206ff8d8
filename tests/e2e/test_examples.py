"""Each example, and a new application, by its own tests: outside of the repository, as `pushaside new` makes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.application.new_command import make_application, templates
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


def test_there_are_examples() -> None:
    assert "orders" in templates()


@pytest.mark.parametrize("template", [None, *templates()])
def test_the_tests_of_an_example_pass_in_a_copy_of_another_name(template: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "copied"
    make_application(folder, template)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
