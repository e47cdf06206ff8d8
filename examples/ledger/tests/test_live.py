"""Tests of the application on this machine: an entry that is posted is pushed."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from post import post

from push.testing import LocalApplication
from pushaside.sync import connect

SECONDS = 30.0
"""More than any answer takes."""


@pytest.fixture
def kinesis(pushaside_local: LocalApplication, live_database: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("DATABASE", str(live_database))
    return boto3.client("kinesis", **pushaside_local.aws)


def test_a_posted_entry_is_pushed_to_who_follows_the_account(pushaside_local: LocalApplication, kinesis: Any) -> None:
    stream = pushaside_local.stream_name("ledger")
    with (
        connect(pushaside_local.websocket) as client,
        client.subscribe(compute="balance", params={"account": "ada"}) as balance,
    ):
        assert balance.take(SECONDS).data["cents"] == 0
        number = post(kinesis, stream, "ada", 12500, "Salary")
        assert balance.take(SECONDS).data["cents"] == 12500
        post(kinesis, stream, "bob", 12500, "Salary", number)
        assert balance.take(SECONDS).data["cents"] == 0
        assert client.request("balance", {"account": "bob"}).data["cents"] == 12500
