"""push.testing: computes run as in production, over tables and buckets in memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from push import BlockingContext, Caller, ComputeFailedError, Context, compute
from push.computes import Registry
from push.errors import ErrorCode, RequestError
from push.sources.contexts import Progress
from push.testing import Application
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[4]

ORDERS = [{"customer": "ann", "order": number, "status": "open" if number % 2 else "sent"} for number in range(4)]


def may_read(caller: Caller, customer: str) -> bool:
    return caller.principal == customer or caller.claims.get("role") == "admin"


@compute(authorize=may_read, tags=lambda customer: [f"orders/{customer}"])
async def customer_orders(context: Context, customer: str, status: str | None = None) -> list[dict[str, Any]]:
    """Orders of a customer, newest first."""
    context.depends_on("clock", "clock")
    rows = await context.table("Orders").query({"customer": customer}, newest_first=True)
    return [row for row in rows if status in (None, row["status"])]


@compute(scope="principal")
def greeting(context: BlockingContext) -> dict[str, object]:
    """Greet from a thread."""
    context.progress(1, 2, "half")
    text = context.bucket("Files").get_json("greeting.json")
    rows = context.table("Orders").get_many([{"customer": "ann", "order": 1}, {"customer": "ann", "order": 9}])
    names = context.bucket("Files").list()
    return {"to": context.principal, "text": text, "rows": rows, "names": names, "thread": threading.get_ident()}


@compute(scope="shared")
async def shared(context: Context) -> str:
    """Read what a shared compute must not know."""
    return context.tenant


@compute
async def own(context: Context) -> str:
    """Read what a tenant's compute must not know."""
    return context.principal


@compute(timeout=0.05)
def slow(context: BlockingContext) -> None:
    """Take longer than allowed."""
    time.sleep(0.2)
    context.table("Orders").scan()


@pytest.fixture
def app() -> Application:
    app = Application(Registry([customer_orders, greeting, shared, own, slow]))
    app.table("Orders", partition="customer", sort="order").put(*ORDERS)
    app.bucket("Files").put_json("greeting.json", {"hello": "world"})
    return app


def test_a_run_shows_value_json_tags_and_key(app: Application) -> None:
    run = app.asked_by(principal="ann").run("customer_orders", customer="ann", status="sent")
    assert [row["order"] for row in run.value] == [2, 0]
    assert run.json == b'[{"customer":"ann","order":2,"status":"sent"},{"customer":"ann","order":0,"status":"sent"}]'
    assert run.tags == ("orders/ann", "clock", "@Orders?customer=ann")
    assert run.key.startswith("tenant/customer_orders@1:")


def test_equal_params_have_one_key(app: Application) -> None:
    ann = app.asked_by(principal="ann")
    runs = [ann.run("customer_orders", customer="ann"), ann.run("customer_orders", status=None, customer="ann")]
    assert runs[0].key == runs[1].key


def test_principals_share_a_key_unless_the_scope_is_theirs(app: Application) -> None:
    ann, bob = (app.asked_by(principal=name, claims={"role": "admin"}) for name in ("ann", "bob"))
    assert ann.run("customer_orders", customer="ann").key == bob.run("customer_orders", customer="ann").key
    assert ann.run("greeting").key != bob.run("greeting").key


async def test_async_tests_await_a_run(app: Application) -> None:
    assert len((await app.asked_by(claims={"role": "admin"}).run_async(customer_orders, customer="ann")).value) == 4


def test_params_are_checked_as_in_production(app: Application) -> None:
    for params in ({}, {"customer": 1}, {"customer": "ann", "stauts": "sent"}):
        with pytest.raises(RequestError) as caught:
            app.run("customer_orders", **params)
        assert caught.value.code is ErrorCode.INVALID_PARAMS
    with pytest.raises(RequestError, match="Did you mean `customer_orders`"):
        app.run("customer_order")


def test_a_caller_that_the_rule_refuses_is_forbidden(app: Application) -> None:
    with pytest.raises(RequestError) as caught:
        app.asked_by(principal="bob").run("customer_orders", customer="ann")
    assert caught.value.code is ErrorCode.FORBIDDEN


def test_a_plain_function_runs_on_a_thread_and_reads_the_same(app: Application) -> None:
    run = app.asked_by(principal="ann").run("greeting")
    assert run.value.pop("thread") != threading.get_ident()
    assert run.value == {
        "to": "ann",
        "text": {"hello": "world"},
        "rows": [ORDERS[1], None],
        "names": ["greeting.json"],
    }
    assert run.progress == (Progress(1, 2, "half"),)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("shared", "A compute of the scope `shared` has no tenant"), ("own", "Use the scope `principal`")],
)
def test_a_context_does_not_tell_what_others_share(app: Application, name: str, sentence: str) -> None:
    with pytest.raises(AttributeError, match=sentence):
        app.run(name)


def test_a_plain_function_that_takes_too_long_is_given_up_and_its_reads_fail(app: Application) -> None:
    with pytest.raises(TimeoutError):
        app.run("slow")


def test_an_undeclared_source_says_which_there_are(app: Application) -> None:
    @compute
    async def lost(context: Context) -> object:
        return await context.table("Order").scan()

    with pytest.raises(ComputeFailedError, match=r"No table is named `Order`. .* Declared: Orders"):
        app.run(lost)


PLUGGED = """
import pytest

def test_orders(application):
    application.table("Orders").put({"customer": "ann", "order": "1"})
    assert application.run("count_orders", customer="ann").value == 1

def test_each_test_has_empty_tables(application):
    application.table("Orders")
    assert application.run("count_orders", customer="ann").value == 0

def test_a_table_that_the_template_does_not_have(application):
    with pytest.raises(LookupError, match="The template has no table `Order`. It has: Orders."):
        application.table("Order")
"""
COMPUTE = """
from push import Context, compute

@compute
async def count_orders(context: Context, customer: str) -> int:
    return len(await context.table("Orders").query({"customer": customer}, index="recent"))
"""
TEMPLATE = """
Resources:
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub "${AWS::StackName}-orders"
      KeySchema: [{AttributeName: customer, KeyType: HASH}, {AttributeName: order, KeyType: RANGE}]
      GlobalSecondaryIndexes:
        - {IndexName: recent, KeySchema: [{AttributeName: customer, KeyType: HASH}], Projection: {ProjectionType: ALL}}
"""


def test_the_plugin_runs_an_applications_computes_by_its_template(tmp_path: Path) -> None:
    files = {
        "pushaside.toml": 'name = "shop"\nmodules = ["shop_computes"]\n',
        "template.yaml": TEMPLATE,
        "shop_computes/__init__.py": "",
        "shop_computes/orders.py": COMPUTE,
        "shop_computes/without_computes.py": "",
        "tests/test_orders.py": PLUGGED,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "push.testing.plugin", "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr


def test_the_plugin_loads_no_client_of_aws_before_a_test_needs_one() -> None:
    code = "import sys, push.testing.plugin; print(sorted({'boto3', 'botocore', 'jwt', 'redis'} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert said.stdout == "[]\n", said.stderr
