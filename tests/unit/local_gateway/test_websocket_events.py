"""Events are the same whether they are put together by hand or as values, whatever a client sends."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.api import WebSocketApi
from local.gateway.request_clock import Moment, RequestClock, iso_8601
from local.gateway.request_ids import RequestIds, is_well_formed
from local.gateway.websocket_events import (
    Client,
    HandshakeRequest,
    connect_event,
    connection_context,
    disconnect_event,
    message_context,
    message_event,
)

API = WebSocketApi("abc123", "v1", "$request.body.action", {}, {"variable": "value"})
MOMENT = Moment(1_731_332_746_514, "11/Nov/2024:13:45:46 +0000")
CLIENT = Client("127.0.0.1", None, "host:8080")
TEXT = st.text(st.characters(codec="utf-8"))


def context(client: Client = CLIENT, authorizer: dict[str, object] | None = None) -> bytes:
    return connection_context(
        API, connection_id="BFaT_fALIAMCKug=", connected_at_ms=1_731_332_735_513, client=client, authorizer=authorizer
    )


@given(body=TEXT, key=TEXT, agent=TEXT, host=TEXT, tenant=TEXT)
def test_a_message_event_says_what_was_sent(body: str, key: str, agent: str, host: str, tenant: str):
    constant = context(Client("127.0.0.1", agent, host), {"tenant": tenant})
    event = orjson.loads(message_event(orjson.dumps(key), constant, MOMENT, "request", "message", body))
    assert (event["body"], event["isBase64Encoded"]) == (body, False)
    assert event["requestContext"] == {
        "routeKey": key,
        "messageId": "message",
        "eventType": "MESSAGE",
        "extendedRequestId": "request",
        "requestTime": "11/Nov/2024:13:45:46 +0000",
        "messageDirection": "IN",
        "stage": "v1",
        "connectedAt": 1_731_332_735_513,
        "requestTimeEpoch": 1_731_332_746_514,
        "identity": {"sourceIp": "127.0.0.1", "userAgent": agent},
        "requestId": "request",
        "domainName": host,
        "connectionId": "BFaT_fALIAMCKug=",
        "apiId": "abc123",
        "authorizer": {"tenant": tenant},
    }
    assert message_context(key, constant, MOMENT, "request", "message") == event["requestContext"]


def test_the_identity_has_a_user_agent_only_if_the_client_sent_one():
    event = orjson.loads(message_event(b'"x"', context(), MOMENT, "request", "message", ""))
    assert event["requestContext"]["identity"] == {"sourceIp": "127.0.0.1"}
    assert "authorizer" not in event["requestContext"]


def test_stage_variables_are_in_the_events_of_the_handshake_and_the_end():
    connected = orjson.loads(connect_event(API, context(), MOMENT, "request", HandshakeRequest((), "")))
    ended = orjson.loads(disconnect_event(API, context(), MOMENT, "request", 1000, "reason"))
    assert connected["stageVariables"] == ended["stageVariables"] == {"variable": "value"}


def test_ids_are_distinct_and_well_formed():
    ids = RequestIds()
    drawn = [ids.draw() for _ in range(2000)]
    assert len(set(drawn)) == 2000
    assert all(map(is_well_formed, drawn))
    assert is_well_formed("BFaT_fALIAMCKug=")


@given(st.text(max_size=20))
def test_only_16_characters_that_end_in_an_equals_sign_are_well_formed(text: str):
    assert is_well_formed(text) <= (len(text) == 16 and text.isascii() and text.endswith("="))


def test_the_clock_tells_both_forms_of_the_present():
    times = iter([1_731_332_746.5149, 1_731_332_746.9, 1_731_332_747.0])
    clock = RequestClock(lambda: next(times))
    assert clock.moment() == MOMENT
    assert clock.moment() == Moment(1_731_332_746_900, "11/Nov/2024:13:45:46 +0000")
    assert clock.moment().clf == "11/Nov/2024:13:45:47 +0000"


def test_iso_8601_keeps_milliseconds():
    assert iso_8601(1_731_332_746_014) == "2024-11-11T13:45:46.014Z"
