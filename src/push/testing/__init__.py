"""Tests of computes without a server: tables and buckets in memory, and runs that show what would be stored.

    def test_a_customer_has_the_newest_order_first(application: Application) -> None:
        application.table("Orders").put({"customer": "ann", "order": "1"}, {"customer": "ann", "order": "2"})
        run = application.run("customer_orders", customer="ann")
        assert [row["order"] for row in run.value] == ["2", "1"]

The plugin of pytest gives the fixture `application`.
"""

from __future__ import annotations

from push.testing.applications import Application
from push.testing.buckets import MemoryBucket
from push.testing.runs import Run
from push.testing.tables import MemoryTable

__all__ = ["Application", "MemoryBucket", "MemoryTable", "Run"]
