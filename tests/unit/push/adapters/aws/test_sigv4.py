"""Signatures: those that botocore makes for the same headers."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from unittest import mock
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from push.adapters.aws.sigv4 import Credentials, Signer

PATH_PARTS = st.text("abcXYZ019-_.~=@%/+&", max_size=30)


def botocore_signature(
    url: str, body: bytes, timestamp: datetime, token: str, headers: dict[str, str] | None = None
) -> dict[str, str]:
    request = AWSRequest(method="POST", url=url, data=body, headers=headers)
    auth = SigV4Auth(BotocoreCredentials("AKID", "secret", token or None), "execute-api", "eu-west-1")
    with mock.patch("botocore.auth.get_current_datetime", return_value=timestamp.replace(tzinfo=None)):
        auth.add_auth(request)
    return dict(request.headers.items())


@given(
    path=PATH_PARTS,
    body=st.binary(max_size=100),
    seconds=st.integers(0, 10**9),
    token=st.sampled_from(("", "session/token+with=signs")),
    host=st.sampled_from(("abc.execute-api.eu-west-1.amazonaws.com", "127.0.0.1:8080")),
)
def test_a_signature_is_botocores(path: str, body: bytes, seconds: int, token: str, host: str) -> None:
    encoded = "/" + quote(path, safe="/-_.~")
    if "//" in encoded or "/." in encoded:
        return
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    signer = Signer(Credentials("AKID", "secret", token), service="execute-api", region="eu-west-1")
    ours = signer.headers("POST", host, encoded, body, moment.strftime("%Y%m%dT%H%M%SZ"))
    theirs = botocore_signature(f"https://{host}{encoded}", body, moment, token)
    assert ours["Authorization"] == theirs["Authorization"]
    assert ours["X-Amz-Date"] == theirs["X-Amz-Date"]
    assert ours.get("X-Amz-Security-Token") == theirs.get("X-Amz-Security-Token")


@pytest.mark.parametrize("days", [0, 1])
def test_a_key_is_of_its_day(days: int) -> None:
    moment = datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC)
    signer = Signer(Credentials("AKID", "secret"), service="execute-api", region="eu-west-1")
    for each in (moment, moment + timedelta(seconds=days), moment):
        ours = signer.headers("POST", "localhost", "/", b"", each.strftime("%Y%m%dT%H%M%SZ"))
        theirs = botocore_signature("https://localhost/", b"", each, "")
        assert ours["Authorization"] == theirs["Authorization"]


def test_further_headers_are_signed_as_botocore_does() -> None:
    also = (("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "DynamoDB_20120810.PutItem"))
    moment, host, body = datetime(2026, 1, 1, tzinfo=UTC), "dynamodb.eu-west-1.amazonaws.com", b"{}"
    signer = Signer(Credentials("AKID", "secret", "token"), service="execute-api", region="eu-west-1")
    digest = hashlib.sha256(body).hexdigest()
    ours = signer.sign("POST", host, "/", digest, moment.strftime("%Y%m%dT%H%M%SZ"), also)
    theirs = botocore_signature(f"https://{host}/", body, moment, "token", dict(also))
    assert ours["Authorization"] == theirs["Authorization"]
