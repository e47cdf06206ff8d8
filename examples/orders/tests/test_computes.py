"""Tests of the computes: in memory, without a server."""

import json
from pathlib import Path

import pytest

from push import ComputeFailedError
from push.errors import ErrorCode, RequestError
from push.testing import Application

ROWS = json.loads(Path(__file__).parents[1].joinpath("demo.json").read_text())["Orders"]


@pytest.fixture
def orders(application: Application) -> Application:
    application.table("Orders").put(*ROWS)
    return application


def test_a_customer_gets_its_newest_order_first(orders: Application) -> None:
    run = orders.asked_by(principal="ada").run("customer_orders", customer="ada")
    assert [row["item"] for row in run.value] == ["bookshelf", "desk", "lamp"]


def test_one_order_is_found_by_its_number(orders: Application) -> None:
    ada = orders.asked_by(principal="ada")
    assert ada.run("order", customer="ada", number=1044).value["item"] == "desk"
    with pytest.raises(ComputeFailedError, match="ada has no order 1041") as caught:
        ada.run("order", customer="ada", number=1041)
    assert caught.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize(
    ("compute", "params"),
    [
        ("customer_orders", {"customer": "bob"}),
        ("order", {"customer": "bob", "number": 1041}),
        ("orders_by_status", {"status": "open"}),
        ("status_totals", {}),
    ],
)
def test_what_a_customer_may_not_see_staff_sees(orders: Application, compute: str, params: dict) -> None:
    with pytest.raises(RequestError) as caught:
        orders.asked_by(principal="ada").run(compute, **params)
    assert caught.value.code is ErrorCode.FORBIDDEN
    assert orders.asked_by(principal="eve", claims={"role": "staff"}).run(compute, **params).value


def test_the_index_finds_the_newest_orders_in_a_status(orders: Application) -> None:
    staff = orders.asked_by(claims={"role": "staff"})
    numbers = [row["number"] for row in staff.run("orders_by_status", status="open", limit=2).value]
    assert numbers == [1051, 1049]


def test_totals_count_each_status(orders: Application) -> None:
    totals = orders.asked_by(claims={"role": "staff"}).run("status_totals").value
    assert totals[0] == {"status": "open", "orders": 3, "value": 319.5}
    assert [each["status"] for each in totals] == ["open", "packed", "shipped", "delivered"]
