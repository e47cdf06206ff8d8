"""Tests of the whole application, which `pushaside local` runs once for all of them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from push.testing import LocalApplication
from pushaside import ForbiddenError, UnauthorizedError
from pushaside.sync import Client, connect

SECONDS = 30.0
"""More than any answer takes."""


@pytest.fixture
def ada(pushaside_local: LocalApplication) -> Iterator[Client]:
    with connect(pushaside_local.websocket, token=pushaside_local.token("ada")) as client:
        yield client


@pytest.fixture
def bob(pushaside_local: LocalApplication) -> Iterator[Client]:
    with connect(pushaside_local.websocket, token=pushaside_local.token("bob")) as client:
        yield client


@pytest.fixture
def staff(pushaside_local: LocalApplication) -> Iterator[Client]:
    with connect(pushaside_local.websocket, token=pushaside_local.token("eve", role="staff")) as client:
        yield client


def test_two_customers_see_their_own_orders_and_never_the_others(ada: Client, bob: Client) -> None:
    for client, own, others in ((ada, "ada", "bob"), (bob, "bob", "ada"), (ada, "ada", "bob")):
        rows = client.request("customer_orders", {"customer": own}).data
        assert {row["customer"] for row in rows} == {own}
        with pytest.raises(ForbiddenError):
            client.request("customer_orders", {"customer": others})
        with (
            pytest.raises(ForbiddenError),
            client.subscribe(compute="customer_orders", params={"customer": others}),
        ):
            pass


def test_a_customer_learns_nothing_of_an_order_that_it_may_not_see(ada: Client) -> None:
    sentences = set()
    for number in (1041, 9999):
        with pytest.raises(ForbiddenError) as caught:
            ada.request("order", {"customer": "bob", "number": number})
        sentences.add(str(caught.value))
    assert len(sentences) == 1


def test_staff_sees_all_by_the_index(staff: Client) -> None:
    open_orders = staff.request("orders_by_status", {"status": "open"}).data
    assert {"ada", "bob", "cleo"} <= {row["customer"] for row in open_orders}
    assert staff.request("status_totals").data[2]["orders"] == 1


def test_an_order_that_is_written_is_in_the_first_answer(pushaside_local: LocalApplication) -> None:
    row = {"customer": "dan", "number": 1, "placed_at": "2026-03-10T10:00:00Z", "status": "packed", "total": 5}
    pushaside_local.table("Orders").put_item(Item=row)
    with connect(pushaside_local.websocket, token=pushaside_local.token("dan")) as client:
        assert client.request("order", {"customer": "dan", "number": 1}).data == row


def test_an_order_that_is_packed_leaves_one_list_and_enters_another(
    pushaside_local: LocalApplication, staff: Client, ada: Client
) -> None:
    with (
        ada.subscribe(compute="order", params={"customer": "ada", "number": 2001}) as of_ada,
        staff.subscribe(compute="orders_by_status", params={"status": "open"}) as open_orders,
        staff.subscribe(compute="orders_by_status", params={"status": "packed"}) as packed_orders,
        staff.subscribe(compute="status_totals") as totals,
    ):
        row = {"customer": "ada", "number": 2001, "item": "vase", "placed_at": "2026-03-11T10:00:00Z", "total": 30}
        for status, subscription in (("open", open_orders), ("packed", packed_orders)):
            pushaside_local.table("Orders").put_item(Item={**row, "status": status})
            packed = wait(subscription, lambda rows: 2001 in numbers(rows))
            wait(of_ada, lambda order, status=status: order["status"] == status)
        still_open = wait(open_orders, lambda rows: 2001 not in numbers(rows))
        wait(totals, lambda each: (each[0]["orders"], each[1]["orders"]) == (len(still_open), len(packed)))


def numbers(rows: list[dict[str, Any]]) -> set[int]:
    return {row["number"] for row in rows}


def wait(subscription: Any, is_there: Callable[[Any], bool]) -> Any:
    """Return the first result of which something is true; an order that is not there yet has none."""
    while (data := subscription.take(SECONDS).data) is None or not is_there(data):
        """What comes before it."""
    return data


def test_without_a_token_nobody_connects(pushaside_local: LocalApplication) -> None:
    with pytest.raises(UnauthorizedError):
        connect(pushaside_local.websocket)
