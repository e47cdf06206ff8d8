"""A database for the computes of this process, and one for the application that runs on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from push.testing import LocalApplication
from push.testing.local_applications import run_locally


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the computes of this process an empty database."""
    monkeypatch.setenv("DATABASE", str(tmp_path / "ledger.db"))


@pytest.fixture(scope="session")
def live_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of the running application."""
    return tmp_path_factory.mktemp("database") / "ledger.db"


@pytest.fixture(scope="session")
def pushaside_local(live_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApplication]:
    """The application on this machine, started once, with a database of its own."""
    option = f"--parameter=Database={live_database}"
    with run_locally(Path(__file__).parents[1], tmp_path_factory.mktemp("local"), option) as started:
        yield started
