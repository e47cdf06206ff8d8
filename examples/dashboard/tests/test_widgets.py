"""Tests of the widgets over documents: in memory, without a server."""

import json
from pathlib import Path

import pytest

from push import ComputeFailedError
from push.testing import Application

DEMO = json.loads((Path(__file__).parents[1] / "demo.json").read_text())["Reports"]


@pytest.fixture
def dashboard(application: Application) -> Application:
    reports = application.bucket("Reports")
    reports.put_json("sales/2026-03-01.json", day("2026-03-01", Berlin=(40, 2000), Hamburg=(10, 500)))
    reports.put_json("sales/2026-03-02.json", day("2026-03-02", Berlin=(30, 1500), Hamburg=(20, 900)))
    stock = {
        "lamp": {"units": 3, "reorder_below": 5, "price": 40},
        "desk": {"units": 9, "reorder_below": 5, "price": 200},
    }
    reports.put_json("stock.json", stock)
    reports.put_json("reviews.json", {"5": 3, "1": 1})
    return application


def day(date: str, **stores: tuple[int, int]) -> dict:
    rows = {
        name: {"orders": sold, "revenue": paid, "visitors": 100, "returns": 1} for name, (sold, paid) in stores.items()
    }
    return {"date": date, "stores": rows, "products": {"lamp": 7, "desk": 2}}


def test_there_are_twenty_widgets(dashboard: Application) -> None:
    assert len(dashboard.registry.by_name) == 20


def test_a_number_comes_with_that_of_the_day_before(dashboard: Application) -> None:
    assert dashboard.run("revenue_today").value == {"value": 2400, "unit": "€", "before": 2500}


def test_days_are_in_order(dashboard: Application) -> None:
    assert dashboard.run("orders_by_day").value == {"2026-03-01": 50, "2026-03-02": 50}


def test_stores_are_those_of_the_last_day(dashboard: Application) -> None:
    assert dashboard.run("revenue_by_store").value == {"Berlin": 1500, "Hamburg": 900}


def test_a_share_is_in_percent(dashboard: Application) -> None:
    assert dashboard.run("conversion_today").value["value"] == 25.0


def test_products_are_counted_over_all_days(dashboard: Application) -> None:
    assert dashboard.run("best_sellers").value == {"lamp": 14, "desk": 4}


def test_what_runs_low_is_to_be_reordered(dashboard: Application) -> None:
    assert dashboard.run("to_reorder").value == ["lamp"]


def test_the_rating_is_a_mean(dashboard: Application) -> None:
    assert dashboard.run("rating").value["value"] == 4.0


def test_a_document_that_is_missing_is_named(application: Application) -> None:
    application.bucket("Reports")
    with pytest.raises(ComputeFailedError, match=r"There is no document stock\.json yet"):
        application.run("stock_value")


def test_every_widget_shows_the_demo(application: Application) -> None:
    for key, document in DEMO.items():
        application.bucket("Reports").put_json(key, document)
    assert all(application.run(name).value for name in application.registry.by_name)
