"""Webhooks are taken only from those who know a secret, and lately."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json

import pytest
from standardwebhooks.webhooks import Webhook as Reference

from pushaside.errors import PushasideError, UnreadableResultError, UnverifiedWebhookError
from pushaside.protocol.messages import Failed, Linked
from pushaside.protocol.raw_json import raw_member
from pushaside.webhooks import check_secret, read_webhook, sign_webhook, verify_webhook

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
NOW = 1_700_000_000
BODY = b'{"type":"request.done"}'


def signed(*signatures: str, timestamp: object = NOW) -> dict[str, str]:
    return {"Webhook-Id": "msg_1", "webhook-timestamp": str(timestamp), "WEBHOOK-SIGNATURE": " ".join(signatures)}


def good(secret: str = SECRET, timestamp: int = NOW) -> str:
    return sign_webhook(secret, "msg_1", timestamp, BODY)


def test_signatures_are_those_of_the_specification() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    text = f"msg_1.{NOW}.".encode() + BODY

    assert good() == "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


def test_signatures_are_those_of_the_reference_library() -> None:
    headers = {name.lower(): value for name, value in signed(good()).items()}
    reference = Reference(SECRET)
    # Its own clock can't be set, so it is asked for the text that it would compare.

    assert (
        reference.sign("msg_1", dt.datetime.fromtimestamp(NOW, dt.UTC), BODY.decode()) == headers["webhook-signature"]
    )


def test_a_webhook_of_the_service_is_verified_by_its_id() -> None:
    assert verify_webhook(signed(good()), BODY, [SECRET], now=NOW) == "msg_1"


def test_while_secrets_change_either_is_enough() -> None:
    both = signed(good(OTHER), "v1a,c29tZXRoaW5n", good())

    assert verify_webhook(both, BODY, [SECRET], now=NOW)
    assert verify_webhook(signed(good()), BODY, [OTHER, SECRET], now=NOW)


@pytest.mark.parametrize("age", [-299, 0, 300])
def test_clocks_may_differ_by_five_minutes(age: int) -> None:
    assert verify_webhook(signed(good(timestamp=NOW - age), timestamp=NOW - age), BODY, [SECRET], now=NOW)


@pytest.mark.parametrize("age", [-301, 301, 86_400])
def test_what_is_older_or_from_the_future_is_refused(age: int) -> None:
    with pytest.raises(UnverifiedWebhookError, match=r"signed \d+ s") as caught:
        verify_webhook(signed(good(timestamp=NOW - age), timestamp=NOW - age), BODY, [SECRET], now=NOW)
    assert not caught.value.is_unknown_signature


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (signed(good(OTHER)), BODY),
        (signed(good()), BODY + b" "),
        (signed(good(), timestamp=NOW + 1), BODY),
        ({**signed(good()), "Webhook-Id": "msg_2"}, BODY),
        (signed("v1,"), BODY),
        (signed("v1,é"), BODY),
        (signed(good().replace("v1,", "v1,A")), BODY),
    ],
)
def test_an_unknown_signature_is_told_from_other_faults(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(UnverifiedWebhookError) as caught:
        verify_webhook(headers, body, [SECRET], now=NOW)
    assert caught.value.is_unknown_signature


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {**signed(good()), "Webhook-Id": ""},
        signed(good(), timestamp="soon"),
        signed(good(), timestamp="-1"),
        signed(good(), timestamp="1e9"),
        signed(""),
        signed("v1a,c29tZXRoaW5n"),
        signed(good().removeprefix("v1,")),
    ],
)
def test_what_is_not_signed_as_it_should_be_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(UnverifiedWebhookError) as caught:
        verify_webhook(headers, BODY, [SECRET], now=NOW)
    assert not caught.value.is_unknown_signature


@pytest.mark.parametrize("secret", ["whsec_", "whsec_!", "", "whsec_é"])
def test_a_secret_that_is_none_is_told(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        check_secret(secret)


def body_of(message: object, kind: str = "request.done") -> bytes:
    return json.dumps({"type": kind, "timestamp": "2026-01-01T00:00:00Z", "data": message}).encode()


def test_a_result_is_read_with_its_data_as_it_was_written() -> None:
    body = b'{"type":"request.done","data":{"type":"result","id":"r1","data": {"data":[1.0, "\\u00e9"]}}}'
    webhook = read_webhook(body)

    assert (webhook.type, webhook.answer.id) == ("request.done", "r1")
    assert webhook.data == b'{"data":[1.0, "\\u00e9"]}'


def test_a_link_and_an_error_are_read_without_data() -> None:
    linked = read_webhook(body_of({"type": "result", "id": "r1", "url": "https://bucket.example/x"}))
    failed = read_webhook(body_of({"type": "error", "id": "r1", "error": {"code": "timeout"}}, "request.failed"))

    assert isinstance(linked.answer, Linked)
    assert isinstance(failed.answer, Failed)
    assert failed.answer.error.code == "timeout"
    assert (linked.data, failed.data) == (None, None)


@pytest.mark.parametrize(
    "body", [b"", b"no", b"[]", b"{}", body_of(None), body_of({"type": "pong"}), body_of({"type": 1})]
)
def test_anything_else_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableResultError):
        read_webhook(body)


def test_a_result_in_a_form_of_no_webhook_is_an_error_of_its_own() -> None:
    webhook = read_webhook(body_of({"type": "result", "id": "r1"}))

    assert isinstance(webhook.answer, Failed)
    assert isinstance(webhook.answer.error, PushasideError)


@pytest.mark.parametrize(
    ("text", "path", "found"),
    [
        ('{"a":1}', ["a"], "1"),
        (' { "a" : [ 1 , {"b":"}"} ] , "b":2 } ', ["a"], '[ 1 , {"b":"}"} ]'),
        ('{"a":1,"a":2}', ["a"], "2"),
        ('{"a":{"b":{"c":null}}}', ["a", "b", "c"], "null"),
        ('{"\\u0061":"x"}', ["a"], '"x"'),
    ],
)
def test_a_members_text_is_found_as_it_was_written(text: str, path: list[str], found: str) -> None:
    assert raw_member(text, *path) == found


def test_a_member_that_is_not_there_is_told() -> None:
    with pytest.raises(KeyError):
        raw_member("{}", "a")
