"""A request too large for any queue message: its documents go through the bucket, and it ends like any other."""

from __future__ import annotations

import json
import random
import urllib.request
import uuid
from typing import Any

import pytest

from tests.e2e.conftest import Stack
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

KEPT = "payloads/queue/"


def fetch(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        return json.load(answer)


def kept(stack: Stack) -> set[str]:
    s3 = stack.client("s3")
    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    pages = [s3.list_objects_v2(Bucket=name, Prefix=KEPT).get("Contents", []) for name in names]
    return {each["Key"] for page in pages for each in page}


def test_a_request_of_megabytes_is_computed_and_told_of(stack: Stack) -> None:
    before, request_id = kept(stack), uuid.uuid4().hex
    # Blanks are the only thing that params of any compute may have so many of; three kinds do not compress away.
    blanks = "".join(random.Random(1).choices(" \t\n", k=2_500_000))
    params = f'{{"seed":"{request_id}"{blanks}}}'
    body = f'{{"id":"{request_id}","compute":"synthetic","params":{params},"deliver":{{"poll":true}}}}'
    assert fetch(f"{stack.http}requests", body.encode()) == {"id": request_id, "status": "pending"}
    assert fetch(f"{stack.http}requests/{request_id}?wait=25")["result"]["data"]["seed"] == request_id
    assert kept(stack) > before
