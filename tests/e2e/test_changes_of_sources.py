"""A change of any source of an application reaches the subscribers of what was made from it, and nobody else."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from push.testing import LocalApplication
from push.testing.local_applications import run_locally
from pushaside.sync import Client, connect
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

APPLICATION = Path(__file__).parents[1] / "applications" / "everything"
STATUSES = ("open", "packed", "shipped")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the compute `outside` reads."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def application(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApplication]:
    work = tmp_path_factory.mktemp("everything")
    with run_locally(APPLICATION, work, f"--parameter=Outside={folder}") as running:
        yield running


@pytest.fixture
def client(application: LocalApplication) -> Iterator[Client]:
    with connect(application.websocket) as connected:
        yield connected


class Follower:
    """A subscription whose updates a test waits for."""

    def __init__(self, subscription: Any) -> None:
        self._subscription = subscription

    def next(self) -> Any:
        return self._subscription.take(PATIENCE_SECONDS).data

    def until(self, value: Any) -> list[Any]:
        """Return what came until this value did."""
        came: list[Any] = []
        while not came or came[-1] != value:
            came.append(self.next())
        return came


@pytest.fixture
def follow(client: Client) -> Callable[..., Follower]:
    return lambda compute, **params: Follower(client.subscribe(compute=compute, params=params).__enter__())


def customer() -> str:
    return f"customer-{uuid.uuid4().hex[:8]}"


def write(application: LocalApplication, owner: str, number: int, status: str = "open") -> None:
    row = {"customer": owner, "number": number, "status": status, "placed_at": "2026-03-01T10:00:00Z"}
    application.table("Orders").put_item(Item=row)


# Tables


def test_a_row_that_is_written_and_removed_shows(application: LocalApplication, follow: Any) -> None:
    ada = customer()
    orders, order = follow("orders", customer=ada), follow("order", customer=ada, number=1)
    assert (orders.next(), order.next()) == ([], None)
    write(application, ada, 1)
    assert orders.next() == [1]
    assert order.next()["status"] == "open"
    write(application, ada, 1, "packed")
    assert order.next()["status"] == "packed"
    application.table("Orders").delete_item(Key={"customer": ada, "number": 1})
    assert (orders.until([])[-1], order.next()) == ([], None)


def test_the_rows_of_others_change_nothing(application: LocalApplication, follow: Any) -> None:
    ada, bob = customer(), customer()
    of_ada, of_bob = follow("orders", customer=ada), follow("orders", customer=bob)
    assert (of_ada.next(), of_bob.next()) == ([], [])
    write(application, bob, 1)
    assert of_bob.next() == [1]
    write(application, ada, 2)
    assert of_ada.next() == [2], "the first thing that Ada hears is of her own"


def test_a_request_after_a_write_gets_the_new_rows(application: LocalApplication, client: Client, follow: Any) -> None:
    ada = customer()
    assert client.request("orders", {"customer": ada}).data == []
    seen = follow("orders", customer=ada)
    seen.next()
    write(application, ada, 1)
    assert seen.next() == [1]
    assert client.request("orders", {"customer": ada}).data == [1]


def test_an_order_that_changes_its_status_leaves_one_list_and_enters_another(
    application: LocalApplication, follow: Any
) -> None:
    ada, left, entered = customer(), f"left-{customer()}", f"entered-{customer()}"
    one, other = follow("orders_in", status=left), follow("orders_in", status=entered)
    assert (one.next(), other.next()) == ([], [])
    write(application, ada, 7, left)
    assert one.next() == [7]
    write(application, ada, 7, entered)
    assert one.until([])[-1] == []
    assert other.until([7])[-1] == [7]


def test_totals_over_an_index_end_right(application: LocalApplication, follow: Any, client: Client) -> None:
    seed = random.randrange(2**32)
    chance, ada = random.Random(seed), customer()
    totals = follow("totals")
    before = totals.next()
    expected: dict[int, str] = {}
    for _ in range(60):
        number = chance.randrange(12)
        expected[number] = chance.choice(STATUSES)
        write(application, ada, number, expected[number])
    wanted = {status: before[status] + sum(each == status for each in expected.values()) for status in STATUSES}
    assert totals.until(wanted)[-1] == wanted, seed
    assert client.request("totals").data == wanted


# Buckets


def test_an_object_that_is_written_and_removed_shows(application: LocalApplication, follow: Any) -> None:
    s3 = boto3.client("s3", **application.aws)
    bucket, name, folder = application.bucket_name("Reports"), customer(), f"{customer()}/"
    report, documents = follow("report", customer=name), follow("documents", folder=folder)
    assert (report.next()["report"], documents.next()) == (None, [])
    s3.put_object(Bucket=bucket, Key=f"{name}.json", Body=b'{"pages": 3}')
    assert report.next()["report"] == {"pages": 3}
    key = f"{folder}a b+c ü.json"
    s3.put_object(Bucket=bucket, Key=key, Body=b"{}")
    assert documents.next() == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert documents.next() == []


# What functions with @changes_of name


def row(name: str) -> dict[str, Any]:
    source = {"connector": "postgresql", "db": "crm", "schema": "public", "table": "files"}
    return {"op": "u", "before": {"name": name}, "after": {"name": name}, "source": source}


def put_record(application: LocalApplication, stream: str, body: Any) -> None:
    kinesis = boto3.client("kinesis", **application.aws)
    kinesis.put_record(StreamName=application.stream_name(stream), PartitionKey="1", Data=json.dumps(body).encode())


def put_event(application: LocalApplication, name: str, source: str, bus: str = "default") -> None:
    entry = {"Source": source, "DetailType": "Changed", "Detail": json.dumps({"name": name, "price": 3})}
    boto3.client("events", **application.aws).put_events(Entries=[{**entry, "EventBusName": bus}])


def publish(application: LocalApplication, topic: str, message: str) -> None:
    boto3.client("sns", **application.aws).publish(TopicArn=application.topic_arn(topic), Message=message)


TELLING: dict[str, Callable[[LocalApplication, str], None]] = {
    "JSON in a Kinesis stream": lambda application, name: put_record(application, "ledger", {"name": name}),
    "a row of Debezium in a stream elsewhere": lambda application, name: put_record(application, "rows", row(name)),
    "an event": lambda application, name: put_event(application, name, "shop.prices"),
    "an event on a bus of the template": lambda application, name: put_event(
        application, name, "bank.rates", "application-bus"
    ),
    "a notification": lambda application, name: publish(application, "deals", json.dumps({"name": name})),
    "a notification that is not JSON, of a topic elsewhere": lambda application, name: publish(
        application, "recalls", name
    ),
}


@pytest.mark.parametrize("tell", TELLING.values(), ids=TELLING)
def test_what_a_function_names_is_pushed(
    application: LocalApplication, follow: Any, folder: Path, tell: Callable[[LocalApplication, str], None]
) -> None:
    name, other = customer(), customer()
    followed, unrelated = follow("outside", name=name), follow("outside", name=other)
    assert (followed.next(), unrelated.next()) == (None, None)
    (folder / name).write_text("changed")
    tell(application, name)
    assert followed.next() == "changed"
    (folder / other).write_text("changed too")
    tell(application, other)
    assert unrelated.next() == "changed too"


def test_a_record_that_a_function_cannot_read_holds_up_no_other(
    application: LocalApplication, follow: Any, folder: Path
) -> None:
    name = customer()
    followed = follow("outside", name=name)
    assert followed.next() is None
    put_record(application, "ledger", {"no": "name"})
    (folder / name).write_text("changed")
    put_record(application, "ledger", {"name": name})
    assert followed.next() == "changed"
