"""Imports run one way: core <- adapters <- functions; the runtime and the clients know none of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
FUNCTIONS = ("connect", "request", "compute", "notify")
VENDORS = {"boto3", "botocore", "redis", "hiredis", "websockets", "httptools", "aws_lambda_powertools"}
EFFECTS = {"asyncio", "os", "time", "random", "secrets", "socket", "threading", "subprocess", "logging"}
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if "__pycache__" not in path.parts]


def imported_names(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function; `from a import b` counts as `a.b`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages_imported(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported_names(path)}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted((SRC / "push").glob("*.py")), ids=relative)
def test_the_core_does_no_io_and_knows_no_vendor(path: Path) -> None:
    assert packages_imported(path).isdisjoint(VENDORS | EFFECTS)


@pytest.mark.parametrize("path", sorted((SRC / "push").glob("*.py")), ids=relative)
def test_the_core_imports_no_adapter_and_no_function(path: Path) -> None:
    assert not [name for name in imported_names(path) if name.startswith("push.adapters")]
    assert packages_imported(path).isdisjoint(FUNCTIONS)


@pytest.mark.parametrize("path", modules(SRC / "push" / "adapters"), ids=relative)
def test_adapters_import_no_function(path: Path) -> None:
    assert packages_imported(path).isdisjoint(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_never_import_each_other(function: str) -> None:
    others = set(FUNCTIONS) - {function}
    for path in modules(SRC / function):
        assert packages_imported(path).isdisjoint(others), relative(path)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_vendors_exceptions_stay_in_the_adapters(function: str) -> None:
    for path in modules(SRC / function):
        assert packages_imported(path).isdisjoint({"botocore", "redis"}), relative(path)


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("local", {"push", *FUNCTIONS}),
        ("clients/python/pushaside", {"push", "local", *FUNCTIONS}),
        ("src", {"local", "pushaside"}),
    ],
)
def test_what_ships_the_runtime_and_the_client_do_not_know_each_other(folder: str, forbidden: set[str]) -> None:
    paths = modules(ROOT / folder)
    assert paths
    for path in paths:
        assert packages_imported(path).isdisjoint(forbidden), relative(path)


@pytest.mark.parametrize("folder", ["src", "local", "clients/python"])
def test_no_module_has_a_name_that_says_nothing(folder: str) -> None:
    names = {part for path in modules(ROOT / folder) for part in (path.stem, path.parent.name)}
    assert names.isdisjoint(VAGUE_NAMES)
