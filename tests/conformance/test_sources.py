"""The suite itself: no fact without a source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FILES = sorted(path for path in Path(__file__).parent.glob("test_*.py") if path.name != Path(__file__).name)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_test_cites_its_source(file: Path) -> None:
    functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]
    tests = [function for function in functions if function.name.startswith("test_")]
    assert tests
    unsourced = [test.name for test in tests if not (ast.get_docstring(test) or "").startswith("Source: ")]
    assert unsourced == []
