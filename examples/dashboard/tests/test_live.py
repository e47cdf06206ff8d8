"""Tests of the application on this machine, by a client: `pushaside local` is started once."""

import json
import re
from contextlib import ExitStack
from pathlib import Path

import boto3

from push.testing import Application, LocalApplication
from pushaside import sync

SECONDS = 30.0
"""More than any answer takes."""

PAGE = Path(__file__).parents[1] / "widgets.js"


def test_all_widgets_are_pushed_over_one_socket(application: Application, pushaside_local: LocalApplication) -> None:
    with ExitStack() as open_together:
        client = open_together.enter_context(sync.connect(pushaside_local.websocket))
        widgets = [open_together.enter_context(client.subscribe(compute=name)) for name in application.registry.by_name]
        assert all(widget.take(SECONDS).data for widget in widgets)


def test_a_number_is_computed_from_the_documents(pushaside_local: LocalApplication) -> None:
    with sync.connect(pushaside_local.websocket) as client:
        assert client.request("revenue_today").data == {"value": 6328, "unit": "€", "before": 6420}


def test_a_document_that_is_replaced_shows_in_the_widgets_that_read_it(pushaside_local: LocalApplication) -> None:
    s3 = boto3.client("s3", **pushaside_local.aws)
    bucket = pushaside_local.bucket_name("Reports")
    with sync.connect(pushaside_local.websocket) as client, client.subscribe(compute="stock_levels") as levels:
        before = levels.take(SECONDS).data
        content = s3.get_object(Bucket=bucket, Key="stock.json")["Body"].read()
        stock = json.loads(content) | {"novelty": {"units": 12, "price": 3, "reorder_below": 5}}
        s3.put_object(Bucket=bucket, Key="stock.json", Body=json.dumps(stock).encode())
        assert levels.take(SECONDS).data == {**before, "novelty": 12}
        s3.put_object(Bucket=bucket, Key="stock.json", Body=content)
        assert levels.take(SECONDS).data == before


def test_a_new_day_shows(pushaside_local: LocalApplication) -> None:
    s3 = boto3.client("s3", **pushaside_local.aws)
    day = {"Bucket": pushaside_local.bucket_name("Reports"), "Key": "sales/9999-12-31.json"}
    with sync.connect(pushaside_local.websocket) as client, client.subscribe(compute="orders_today") as orders:
        before = orders.take(SECONDS).data
        s3.put_object(**day, Body=b'{"date": "9999-12-31", "stores": {"a": {"orders": 7}}, "products": {}}')
        assert orders.take(SECONDS).data == {"value": 7, "unit": "", "before": before["value"]}
        s3.delete_object(**day)
        assert orders.take(SECONDS).data == before


def test_the_page_shows_every_widget(application: Application) -> None:
    assert set(re.findall(r'\["(\w+)", ', PAGE.read_text())) == set(application.registry.by_name)
