"""Tests of computes and of changes in memory, and of the application on this machine.

    def test_a_customer_has_the_newest_order_first(application: Application) -> None:
        application.table("Orders").put({"customer": "ann", "order": "1"}, {"customer": "ann", "order": "2"})
        run = application.run("customer_orders", customer="ann")
        assert [row["order"] for row in run.value] == ["2", "1"]

    def test_an_entry_of_the_ledger_changes_its_account(application: Application) -> None:
        assert application.changes("ledger", {"account": 7}) == ["account:7"]

The plugin of pytest gives the fixtures `application` and `pushaside_local`.
"""

from __future__ import annotations

from push.testing.applications import Application
from push.testing.buckets import MemoryBucket
from push.testing.local_applications import LocalApplication
from push.testing.runs import Run
from push.testing.tables import MemoryTable

__all__ = ["Application", "LocalApplication", "MemoryBucket", "MemoryTable", "Run"]
