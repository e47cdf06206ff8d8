"""A plugin of pytest: fixtures that run an application's computes in memory, or the application on this machine.

The application is the folder with `pushaside.toml`, at the test's file or above it. Without one it is the folder that
pytest runs for, with the package `computes`.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from push.changes.declaring import load_change_functions
from push.computes import load_registry
from push.testing.applications import Application, MemorySources
from push.testing.local_applications import DECLARATION, LocalApplication, LocalStartError, run_locally
from push.testing.templates import read_tables

_OPTIONS = "pushaside_local"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting `pushaside_local` to pytest's configuration."""
    parser.addini(_OPTIONS, "options of `pushaside local` for the fixture `pushaside_local`", type="args")


@pytest.fixture(scope="session")
def _loaded_applications() -> dict[Path, Application]:
    """Return the applications by folder, each loaded once per session."""
    return {}


@pytest.fixture
def application(request: pytest.FixtureRequest, _loaded_applications: dict[Path, Application]) -> Application:
    """Return the application that the test belongs to, with empty tables and buckets."""
    folder = _find_folder(request.path, request.config.rootpath)
    if folder not in _loaded_applications:
        _loaded_applications[folder] = _load(folder)
    return replace(_loaded_applications[folder], sources=MemorySources())


@pytest.fixture(scope="session")
def _start_locally(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], LocalApplication]]:
    """Return a function that starts an application at its first call, and remembers a start that failed."""
    started: dict[Path, LocalApplication | LocalStartError] = {}
    with ExitStack() as running:

        def start(folder: Path) -> LocalApplication:
            if folder not in started:
                work = tmp_path_factory.mktemp("pushaside_local")
                try:
                    options = request.config.getini(_OPTIONS)
                    started[folder] = running.enter_context(run_locally(folder, work, *options))
                except LocalStartError as error:
                    started[folder] = error
            found = started[folder]
            if isinstance(found, LocalStartError):
                pytest.fail(str(found), pytrace=False)
            return found

        yield start


@pytest.fixture(scope="module")
def pushaside_local(
    request: pytest.FixtureRequest, _start_locally: Callable[[Path], LocalApplication]
) -> LocalApplication:
    """Return the application that the test belongs to, run by `pushaside local` once per session."""
    return _start_locally(_find_folder(request.path, request.config.rootpath))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the application printed with the failure of a test that uses it."""
    report = yield
    used = getattr(item, "funcargs", {}).get("pushaside_local")
    if report.failed and isinstance(used, LocalApplication):
        report.sections.append(("output of pushaside local", used.output()))
    return report


def _find_folder(path: Path, root: Path) -> Path:
    return next((folder for folder in path.parents if (folder / DECLARATION).is_file()), root)


def _load(folder: Path) -> Application:
    declaration = folder / DECLARATION
    declared = tomllib.loads(declaration.read_text(encoding="utf-8")) if declaration.is_file() else {}
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    template, modules = folder / declared.get("template", "template.yaml"), declared.get("modules", ("computes",))
    return Application(
        load_registry(modules),
        read_tables(template) if template.is_file() else {},
        functions=load_change_functions(modules),
        formats={name: stream.get("format", "json") for name, stream in declared.get("streams", {}).items()},
    )
