"""A plugin of pytest: the fixture `application` runs an application's computes without a server.

The application is the folder with `pushaside.toml`, at the test's file or above it. Without one it is the folder that
pytest runs for, with the package `computes`.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from push.computes import Registry, load_registry
from push.testing.applications import Application
from push.testing.templates import TableKeys, read_tables

DECLARATION = "pushaside.toml"


@pytest.fixture(scope="session")
def _loaded_applications() -> dict[Path, tuple[Registry, dict[str, TableKeys]]]:
    """Return the computes and tables by folder, each read once per session."""
    return {}


@pytest.fixture
def application(
    request: pytest.FixtureRequest, _loaded_applications: dict[Path, tuple[Registry, dict[str, TableKeys]]]
) -> Application:
    """Return the application that the test belongs to, with empty tables and buckets."""
    folder = _find_folder(request.path, request.config.rootpath)
    if folder not in _loaded_applications:
        _loaded_applications[folder] = _load(folder)
    registry, tables = _loaded_applications[folder]
    return Application(registry, tables)


def _find_folder(path: Path, root: Path) -> Path:
    return next((folder for folder in path.parents if (folder / DECLARATION).is_file()), root)


def _load(folder: Path) -> tuple[Registry, dict[str, TableKeys]]:
    declaration = folder / DECLARATION
    declared = tomllib.loads(declaration.read_text(encoding="utf-8")) if declaration.is_file() else {}
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    template = folder / declared.get("template", "template.yaml")
    tables = read_tables(template) if template.is_file() else {}
    return load_registry(declared.get("modules", ("computes",))), tables
