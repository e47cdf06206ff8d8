"""Tests of the computes over the table Orders: in memory, without a server."""

from push.testing import Application

ROWS = [
    {"customer": "ada", "placed_at": "2026-03-01T09:12:00Z", "item": "lamp", "status": "shipped"},
    {"customer": "ada", "placed_at": "2026-03-04T17:40:00Z", "item": "desk", "status": "open"},
    {"customer": "bob", "placed_at": "2026-03-02T11:05:00Z", "item": "chair", "status": "open"},
]


def test_a_customer_gets_the_newest_order_first(application: Application) -> None:
    application.table("Orders").put(*ROWS)
    orders = application.run("customer_orders", customer="ada").value
    assert [order["item"] for order in orders] == ["desk", "lamp"]


def test_orders_can_be_selected_by_status(application: Application) -> None:
    application.table("Orders").put(*ROWS)
    orders = application.run("customer_orders", customer="ada", status="open").value
    assert [order["item"] for order in orders] == ["desk"]
