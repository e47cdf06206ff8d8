"""push.testing: what one change of a source raises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from push import ChangedTag, ChangeRecord, changes_of
from push.changes.declaring import ChangeFunctions
from push.changes.records import UnreadableChangeError
from push.computes import Registry
from push.testing import Application
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[4]


@changes_of("ledger")
async def by_account(record: ChangeRecord) -> list[str | ChangedTag]:
    return [f"account:{record.body['account']}", ChangedTag("accounts", "acme"), ChangedTag("total")]


@changes_of("Orders")
def by_day(record: ChangeRecord) -> list[str]:
    return [f"{record.operation}:{row['day']}" for row in (record.old, record.new) if row is not None]


@changes_of("Files")
def by_folder(record: ChangeRecord) -> str:
    return f"{record.operation}:{record.object_key.partition('/')[0]}"


@changes_of("ticks")
def by_time(record: ChangeRecord) -> list[str]:
    return [f"at:{record.at:g}"]


FUNCTIONS = ChangeFunctions([by_account, by_day, by_folder, by_time])


@pytest.fixture
def app() -> Application:
    return Application(Registry([]), functions=FUNCTIONS, formats={"rows": "debezium"})


def test_a_change_raises_what_its_function_names(app: Application) -> None:
    assert app.changes("ledger", {"account": 7}) == ["account:7", ChangedTag("accounts", "acme"), ChangedTag("total")]
    assert app.changes("ticks", {}, at=7.0) == ["at:7"]


ROW: dict[str, Any] = {"customer": "ann", "id": 1, "day": "monday", "photo": b"\0\1"}


def test_a_row_raises_what_its_table_and_its_function_name(app: Application) -> None:
    app.table("Orders", partition="customer", sort="id", indexes={"by-day": ("day",)})
    raised = app.changes("Orders", old=ROW, new={**ROW, "day": "friday"})
    assert {"@Orders", "@Orders?day=monday", "@Orders?day=friday"} <= set(raised)
    assert raised[-2:] == ["update:monday", "update:friday"]
    assert app.changes("Orders", new=ROW)[-1] == "insert:monday"
    assert app.changes("Orders", old=ROW)[-1] == "delete:monday"


def test_a_row_has_its_primary_key(app: Application) -> None:
    app.table("Orders", partition="customer", sort="id")
    with pytest.raises(ValueError, match="lacks its key `id`"):
        app.changes("Orders", new={"customer": "ann"})


def test_an_object_raises_what_its_bucket_and_its_function_name(app: Application) -> None:
    raised = app.changes("Files", object_key="2026/11.json")
    assert raised == ["@s3:Files", "@s3:Files/2026/", "@s3:Files/2026/11.json", "update:2026"]
    assert app.changes("Files", object_key="2026/11.json", operation="delete")[-1] == "delete:2026"


def test_a_stream_of_rows_needs_no_function(app: Application) -> None:
    event = {"op": "u", "source": {"schema": "public", "table": "orders"}, "before": None, "after": {"id": 42}}
    raised = app.changes("rows", event, partition_key='{"id":42}')
    assert raised == ["rows:public.orders", "rows:public.orders#42"]
    with pytest.raises(UnreadableChangeError):
        app.changes("rows", 1)


async def test_an_async_test_awaits_the_tags(app: Application) -> None:
    assert "account:8" in await app.changes_async("ledger", {"account": 8})


def test_a_source_that_raises_nothing_is_a_mistake_in_the_test(app: Application) -> None:
    with pytest.raises(LookupError, match=r"@changes_of\('ledgr'\).*Files, Orders, ledger, ticks"):
        app.changes("ledgr", {"account": 7})


PLUGGED = {
    "pushaside.toml": '[streams.rows]\nformat = "dms"\n',
    "computes/__init__.py": "",
    "computes/ledger.py": """
from push import changes_of

@changes_of("ledger")
def tags(record):
    return [record.body["account"]]
""",
    "test_ledger.py": """
def test_ledger(application):
    assert application.changes("ledger", {"account": "a"}) == ["a"]
    row = {"data": {}, "metadata": {"operation": "insert", "schema-name": "s", "table-name": "t"}}
    assert application.changes("rows", row) == ["rows:s.t"]
""",
}


def test_the_fixture_loads_the_functions_and_formats_of_the_application(tmp_path: Path) -> None:
    for name, text in PLUGGED.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "push.testing.plugin", "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr
