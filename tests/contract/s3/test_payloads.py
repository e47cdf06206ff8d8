"""Payloads in S3: what is put is read by whoever has a link, and by nobody for longer than it says."""

from __future__ import annotations

import gzip
import urllib.request
from email.message import Message
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from push.adapters.aws.clients import make_client
from push.adapters.s3.payloads import S3Payloads
from push.errors import TransientError
from push.protocol.payloads import payload_name
from push.protocol.ports import Payloads
from tests.builders.results import unique_key
from tests.servers.aws import Aws
from tests.servers.valkey import free_port

DATA = '{"text":"\u00fc\U0001f600"}'.encode()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Be in an execution environment: its role's credentials and region are in variables."""
    make_client.cache_clear()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "test")
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    # boto3 keeps what it read of the environment.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return monkeypatch


@pytest.fixture
def payloads(aws: Aws, environment: pytest.MonkeyPatch) -> Payloads:
    use(aws, environment, aws.url)
    return S3Payloads(aws.bucket)


def use(aws: Aws, environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("AWS_CLIENTS", "lean" if aws.lean else "boto3")
    environment.setenv("AWS_ENDPOINT_URL", url)


def fetch(url: str) -> tuple[bytes, Message]:
    with urllib.request.urlopen(url, timeout=5) as response:
        return response.read(), response.headers


def test_who_has_a_link_reads_what_was_put_as_compressed_json(payloads: Payloads) -> None:
    name = payload_name(unique_key(), "a" * 24)
    payloads.put(name, DATA)
    body, headers = fetch(payloads.link(name, 60))
    assert gzip.decompress(body) == DATA
    assert (headers["Content-Type"], headers["Content-Encoding"]) == ("application/json", "gzip")


def test_what_is_put_again_replaces_what_was_there_and_the_same_data_are_the_same_bytes(payloads: Payloads) -> None:
    bodies = []
    for data in (DATA, DATA, b"2"):
        payloads.put("payloads/again", data)
        bodies.append(fetch(payloads.link("payloads/again", 60))[0])
    assert bodies[0] == bodies[1]
    assert gzip.decompress(bodies[2]) == b"2"


def test_a_large_payload_that_does_not_compress_goes_through(payloads: Payloads) -> None:
    data = b'"' + gzip.compress(bytes(range(256)) * 24_000, 0) + b'"'
    assert len(data) > 6_000_000
    payloads.put("payloads/large", data)
    assert gzip.decompress(fetch(payloads.link("payloads/large", 60))[0]) == data


@pytest.mark.parametrize("clients", ["lean", "boto3"])
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-2"])
def test_a_link_leads_to_the_bucket_in_its_region_and_is_signed_by_version_4(
    environment: pytest.MonkeyPatch, region: str, clients: str
) -> None:
    environment.setenv("AWS_CLIENTS", clients)
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        environment.setenv(name, region)
    url = urlsplit(S3Payloads("storage").link("payloads/results/tenants/acme/echo@1:00/ab", 300))
    query = parse_qs(url.query)
    assert (url.scheme, url.netloc) == ("https", f"storage.s3.{region}.amazonaws.com")
    assert url.path == "/payloads/results/tenants/acme/echo%401%3A00/ab"
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["300"]
    assert query["X-Amz-SignedHeaders"] == ["host"]


@pytest.mark.parametrize(("clients", "module"), [("lean", "push.adapters.aws.s3_client"), ("boto3", "botocore.client")])
def test_the_setting_says_whose_client_it_is(environment: pytest.MonkeyPatch, clients: str, module: str) -> None:
    environment.setenv("AWS_CLIENTS", clients)
    assert type(make_client("s3")).__mro__[-2].__module__ == module


def test_no_client_is_made_before_one_is_needed() -> None:
    made: list[str] = []

    def make(service: str) -> Any:
        made.append(service)
        return boto3.client("s3", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")

    payloads = S3Payloads("storage", make)
    assert made == []
    payloads.link("a", 1)
    payloads.link("b", 1)
    assert made == ["s3"]


@pytest.mark.parametrize("fault", ["no bucket", "nobody there"])
def test_what_is_not_stored_is_said(aws: Aws, environment: pytest.MonkeyPatch, fault: str) -> None:
    use(aws, environment, aws.url if fault == "no bucket" else f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TransientError):
        S3Payloads("there-is-none").put("payloads/x", DATA)
