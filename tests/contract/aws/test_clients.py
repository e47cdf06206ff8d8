"""Where our own clients of AWS go: where boto3's would."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from push.adapters.aws import clients as aws_clients
from push.adapters.aws.clients import make_client
from push.adapters.aws.json_client import PROTOCOLS

VARIABLES = [
    {},
    {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
    {"AWS_ENDPOINT_URL_SQS": "https://queues.example", "AWS_ENDPOINT_URL_DYNAMODB": "https://tables.example:8443"},
    {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://secretsmanager.eu-west-1.api.aws",
    },
]


@pytest.fixture(autouse=True)
def no_client_is_kept() -> Iterator[None]:
    make_client.cache_clear()
    yield
    make_client.cache_clear()


@pytest.mark.parametrize("service", PROTOCOLS)
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize("variables", VARIABLES, ids=["none", "one for all", "some", "one for all but one"])
def test_a_clients_endpoint_is_boto3s(
    monkeypatch: pytest.MonkeyPatch, service: str, region: str, variables: dict[str, str]
) -> None:
    for name, value in {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, **variables}.items():
        monkeypatch.setenv(name, value)
    theirs = boto3.client(service).meta.endpoint_url  # type: ignore[call-overload]
    assert aws_clients._find_endpoint(service) == theirs


@pytest.mark.parametrize("variable", ["AWS_CLIENTS", "AWS_ACCESS_KEY_ID"])
def test_boto3_is_used_where_it_is_asked_for_or_must_find_credentials(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    if variable == "AWS_CLIENTS":
        monkeypatch.setenv(variable, "boto3")
    else:
        monkeypatch.delenv(variable)
    assert make_client("sqs").meta.service_model.service_name == "sqs"
