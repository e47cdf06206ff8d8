"""Imports run one way: core <- adapters <- functions; the runtime and the clients know none of them."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
FUNCTIONS = ("connect", "request", "compute", "notify")
VENDORS = {"boto3", "botocore", "redis", "hiredis", "websockets", "httptools", "aws_lambda_powertools"}
EFFECTS = {"asyncio", "os", "time", "random", "secrets", "socket", "threading", "subprocess", "logging"}
SUBJECTS = (
    "computes",
    "queues",
    "protocol",
    "access",
    "cache",
    "sources",
    "changes",
    "delivery",
    "topics",
    "durable",
    "hooks",
    "testing",
)
"""The rooms of the core; a module imports its own room, the rooms before it, and the modules beside the rooms.

The modules beside the rooms import the first room alone: what authors of computes import, keys are made of.
"""

TECHNOLOGIES = ("aws", "dynamodb", "management", "redis", "s3", "sqs", "tokens", "secrets", "wiring")
"""The rooms of the adapters, in the same order; modules beside them import no room."""

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


def modules_at_top(path: Path) -> set[str]:
    """The modules that a file imports at its top, by `from`."""
    found = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)]
    return {str(node.module) for node in found} | {
        f"{node.module}.{alias.name}" for node in found for alias in node.names
    }


def packages_imported(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported_names(path)}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def core_modules() -> list[Path]:
    return [path for path in modules(SRC / "push") if not {"adapters", "testing"} & set(path.parts)]


def room_of(name: str, package: str) -> str | None:
    """The room of a package that a dotted name lies in; None for what lies beside the rooms, or elsewhere."""
    parts, inside = name.split("."), package.split(".")
    is_inside = parts[: len(inside)] == inside and len(parts) > len(inside)
    is_room = is_inside and (SRC / package.replace(".", "/") / parts[len(inside)]).is_dir()
    return parts[len(inside)] if is_room else None


def assert_rooms_are_in_order(package: str, order: tuple[str, ...]) -> None:
    folder = SRC / package.replace(".", "/")
    assert {path.name for path in folder.iterdir() if (path / "__init__.py").exists()} - {"adapters"} == set(order)
    for path in modules(folder):
        if package == "push" and "adapters" in path.parts:
            continue
        parts = path.relative_to(folder).parts
        if parts == ("__init__.py",):
            continue  # what authors of computes import, from wherever it lies
        own = order.index(parts[0]) if len(parts) > 1 else {"push": 0}.get(package, -1)
        for name in imported_names(path):
            room = room_of(name, package)
            if parts[0] == "testing" and room == "adapters":
                continue
            assert room is None or order.index(room) <= own, f"{relative(path)} imports {name}"


@pytest.mark.parametrize(("package", "order"), [("push", SUBJECTS), ("push.adapters", TECHNOLOGIES)])
def test_rooms_import_only_the_rooms_before_them(package: str, order: tuple[str, ...]) -> None:
    assert_rooms_are_in_order(package, order)


@pytest.mark.parametrize("path", [each for each in modules(SRC) if "testing" not in each.parts], ids=relative)
def test_nothing_that_runs_imports_what_authors_tests_import(path: Path) -> None:
    assert not [name for name in imported_names(path) if name.startswith("push.testing")]


def test_no_modules_import_each_other() -> None:
    paths = {".".join(path.relative_to(SRC).with_suffix("").parts): path for path in modules(SRC)}
    imported = {name: modules_at_top(path) & paths.keys() for name, path in paths.items()}
    assert imported["push.keys"]
    list(graphlib.TopologicalSorter(imported).static_order())


@pytest.mark.parametrize("path", core_modules(), ids=relative)
def test_the_core_does_no_io_and_knows_no_vendor(path: Path) -> None:
    assert packages_imported(path).isdisjoint(VENDORS | EFFECTS)


@pytest.mark.parametrize("path", core_modules(), ids=relative)
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


def test_the_function_of_changes_knows_no_source_of_its_own() -> None:
    """The computes that read documents and boards register functions of their changes, as those of authors do."""
    own = {"push.sources.documents", "push.sources.boards", "push.adapters.redis.leaderboards"}
    for path in modules(SRC / "notify"):
        assert own.isdisjoint(modules_at_top(path)), relative(path)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_vendors_exceptions_stay_in_the_adapters(function: str) -> None:
    for path in modules(SRC / function):
        assert packages_imported(path).isdisjoint({"botocore", "redis"}), relative(path)


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("local", {"push", *FUNCTIONS}),
        ("clients/python/pushaside", {"push", "local", "pushaside_tools", *FUNCTIONS}),
        ("clients/tools/pushaside_tools", {"push", "local", *FUNCTIONS}),
        ("src", {"local", "pushaside"}),
    ],
)
def test_what_ships_the_runtime_and_the_client_do_not_know_each_other(folder: str, forbidden: set[str]) -> None:
    paths = modules(ROOT / folder)
    assert paths
    for path in paths:
        assert packages_imported(path).isdisjoint(forbidden), relative(path)


@pytest.mark.parametrize("folder", ["src", "local", "clients"])
def test_no_module_has_a_name_that_says_nothing(folder: str) -> None:
    names = {part for path in modules(ROOT / folder) for part in (path.stem, path.parent.name)}
    assert names.isdisjoint(VAGUE_NAMES)
