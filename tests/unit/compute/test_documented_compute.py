"""The computes and tests that docs/computes.md shows are an application that works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "computes.md").read_text()
TEMPLATE = """
Resources:
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      KeySchema: [{AttributeName: customer, KeyType: HASH}, {AttributeName: placed_at, KeyType: RANGE}]
"""


def shown_files() -> dict[str, str]:
    """The page's blocks of Python, by the path in their first line."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    return {block.splitlines()[0].removeprefix("# "): block for block in blocks}


def test_every_block_is_a_file() -> None:
    assert set(shown_files()) == {
        "computes/invoices.py",
        "computes/orders.py",
        "computes/reports.py",
        "computes/search.py",
        "tests/test_live.py",  # tests/e2e/test_pushaside_local.py runs it
        "tests/test_orders.py",
    }


def test_the_tests_that_it_shows_pass_on_the_computes_that_it_shows(tmp_path: Path) -> None:
    files = {
        "pushaside.toml": 'name = "shop"\n',
        "template.yaml": TEMPLATE,
        "computes/__init__.py": "",
        **{name: text for name, text in shown_files().items() if name != "tests/test_live.py"},
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "push.testing.plugin", "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert "4 passed" in ended.stdout, ended.stdout + ended.stderr
