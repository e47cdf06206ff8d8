"""The fixture `pushaside_local`, in the tests of an application outside of the repository."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.application.new_command import make_application
from tests.patience import PATIENCE_SECONDS
from tests.unit.compute.test_documented_compute import shown_files

pytestmark = pytest.mark.slow

TOKENS = '''
import boto3
import pytest
import pushaside
from pushaside.sync import connect


@pytest.fixture(scope="module")
def module_scoped(pushaside_local):
    """Use the running application in a fixture that is shared, too."""
    return pushaside_local


def test_a_token_lets_its_principal_in_where_no_token_does_not(module_scoped):
    with pytest.raises(pushaside.UnauthorizedError):
        connect(module_scoped.websocket)
    token = module_scoped.token("ann", tenant="acme", customers=["ann"])
    with connect(module_scoped.websocket, token=token) as client:
        assert len(client.request("customer_orders", {"customer": "ada"}).data) == 2
        assert client.request("invoices", {"customer": "ann", "year": 2026}).data["year"] == 2026
        with pytest.raises(pushaside.ForbiddenError):
            client.request("invoices", {"customer": "bob", "year": 2026})


def test_the_embedded_aws_has_the_tables_by_their_names(module_scoped):
    names = boto3.client("dynamodb", **module_scoped.aws).list_tables()["TableNames"]
    assert module_scoped.table_name("Orders") in names
    with pytest.raises(LookupError, match="declares no .tables.Order.. It declares: Orders."):
        module_scoped.table("Order")


def test_an_application_is_started_once(pushaside_local, module_scoped):
    assert pushaside_local is module_scoped


def test_that_fails(pushaside_local):
    with connect(pushaside_local.websocket, token=pushaside_local.token("ann")) as client:
        client.request("broken")
'''
KILLER = """
import os
import signal
from pathlib import Path


def test_that_kills(pushaside_local):
    Path("address").write_text(pushaside_local.http)
    os.kill(os.getpid(), signal.SIGKILL)
"""
BROKEN = '''
from push import ComputeFailedError, compute


@compute
async def broken() -> None:
    """Fail."""
    raise ComputeFailedError("The compute says why.")
'''


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new application with the files that docs/computes.md shows."""
    folder = tmp_path_factory.mktemp("work") / "shop"
    make_application(folder)
    (folder / "tests" / "test_orders.py").unlink()
    for name, text in shown_files().items():
        if name != "tests/test_orders.py":
            (folder / name).write_text(text)
    return folder


def run_tests(folder: Path, *arguments: str) -> str:
    """Run the tests of an application as its author does, and return what pytest prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONPATH")}
    command = [sys.executable, "-u", "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def killed_run(shop: Path) -> str:
    """What pytest prints until it is killed: it runs the test that the page shows, and one that kills it."""
    last = shop / "tests" / "test_that_kills.py"
    last.write_text(KILLER)
    said = run_tests(shop, "-v")
    last.unlink()
    return said


def test_the_test_that_the_page_shows_passes(killed_run: str) -> None:
    assert "test_live.py::test_a_row_is_in_the_next_answer PASSED" in killed_run


def test_the_application_ends_with_a_pytest_that_is_killed(shop: Path, killed_run: str) -> None:
    assert "test_that_kills" in killed_run
    address = urlsplit((shop / "address").read_text())
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not is_refused(address.hostname, address.port):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def is_refused(host: str | None, port: int | None) -> bool:
    try:
        socket.create_connection((host, port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_one_start_serves_the_session_and_a_failure_shows_what_was_printed(shop: Path) -> None:
    (shop / "tests" / "test_live.py").unlink()
    (shop / "tests" / "test_tokens.py").write_text(TOKENS)
    (shop / "computes" / "broken.py").write_text(BROKEN)
    with (shop / "pushaside.toml").open("a") as file:
        file.write('\n[parameters]\nAuthMode = "jwt"\n')
    said = run_tests(shop)
    assert "3 passed" in said, said
    assert "1 failed" in said, said
    assert re.search(r"output of pushaside local -+\nready: ws://", said), said


def test_a_start_that_fails_is_tried_once_and_shows_why(shop: Path, tmp_path: Path) -> None:
    (shop / "computes" / "broken.py").write_text("def (\n")
    said = run_tests(shop, f"--basetemp={tmp_path / 'kept'}")
    assert "4 errors" in said, said
    assert said.count("\n`pushaside local` ended with 2. It printed:") == 4, said
    assert len(list((tmp_path / "kept").glob("pushaside_local[0-9]*/log"))) == 1
    assert "computes/broken.py, line 1: invalid syntax." in said
