"""Receivers are told the type, the time and the answer, with a link in place of data that is too large."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from push.durable.requests import RequestStatus
from push.durable.webhook_messages import render_message, webhook_id, without_data
from tests.builders.webhooks import make_record


@pytest.mark.parametrize(
    ("status", "type_"), [(RequestStatus.DONE, "request.done"), (RequestStatus.FAILED, "request.failed")]
)
def test_a_message_has_a_type_and_the_time_at_which_the_request_was_settled(status: RequestStatus, type_: str) -> None:
    message = json.loads(render_message(make_record(status=status)))
    assert list(message) == ["type", "timestamp", "data"]
    assert message["type"] == type_
    assert message["timestamp"] == "2024-11-19T07:06:40.000Z"


def test_its_data_are_the_answer_as_a_socket_has_it() -> None:
    answer = b'{"type":"result","id":"1","data":{"text":"gr\xc3\xbc\xc3\x9fe"}}'
    assert json.loads(render_message(make_record(answer=answer)))["data"] == json.loads(answer)


def test_a_link_takes_the_place_of_the_data() -> None:
    record = make_record(answer=b'{"type":"result","id":"1"}', payload="payloads/1")
    answer = json.loads(render_message(record, 'https://bucket.example/payloads/1?a="'))["data"]
    assert answer == {"type": "result", "id": "1", "url": 'https://bucket.example/payloads/1?a="'}


def test_data_can_be_parted_from_an_answer() -> None:
    record, data = without_data(make_record(answer=b'{"type":"result","data":{"data":[1]},"id":"1"}'))
    assert json.loads(data) == {"data": [1]}
    assert json.loads(record.answer or b"") == {"type": "result", "id": "1"}


def test_a_webhooks_id_is_the_requests_own_and_never_changes() -> None:
    record = make_record()
    assert webhook_id(record) == webhook_id(replace(record, attempt_count=5))
    others = {webhook_id(make_record(tenant="globex")), webhook_id(make_record(id="another")), webhook_id(record)}
    assert len(others) == 3


@pytest.mark.parametrize("request_id", ["a.b.c", "ü" * 64, "with space", "a,b"])
def test_a_webhooks_id_has_no_dots_whatever_the_requests(request_id: str) -> None:
    made = webhook_id(make_record(id=request_id))
    assert made.startswith("msg_")
    assert made.removeprefix("msg_").isalnum()
    assert made.isascii()
