"""Clients' messages: read, or refused with the code and the sentence that the protocol documents."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from push.errors import ErrorCode
from push.protocol.messages import (
    DEFAULT_DEADLINE_MS,
    MAX_DEADLINE_MS,
    ClientMessage,
    Hello,
    MessageRefusedError,
    Publish,
    Request,
    Subscribe,
    parse_message,
)

REQUEST = {"action": "request", "id": "7", "compute": "documents"}
SUBSCRIBE = {"action": "subscribe", "id": "7", "topic": "news:it"}
PUBLISH = {"action": "publish", "id": "7", "topic": "news:it", "data": 1}
MEMBERS = st.sampled_from(
    [
        "accept",
        "action",
        "compute",
        "data",
        "deadline_ms",
        "id",
        "max_age",
        "message_id",
        "params",
        "positions",
        "session",
        "since",
        "topic",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["request", "hello", "subscribe", "unsubscribe", "publish", 0, 1, 10**30, 1e308, -1])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


def refusal(body: str) -> MessageRefusedError:
    with pytest.raises(MessageRefusedError) as caught:
        parse_message(body)
    return caught.value


def request_with(**members: object) -> str:
    return json.dumps({**REQUEST, **members})


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@given(st.text())
@example("\ud800")
@example('"\\ud800"')
@example('{"action":"request","id":"\\ud800","compute":"a"}')
@example('{"action":"request","id":"1","compute":"a","params":{"a":"\\ud800"}}')
@example("[" * 100_000)
@example('{"a":' * 100_000)
@example('{"id":' + "[" * 100_000)
@example('{"action":"request","id":"1","compute":"a","params":' + "[" * 100_000)
@example('{"action":"request","id":"1","compute":"a","x":' + nested(100_000) + "}")
@example("1" * 100_000)
@example('{"action":"request","id":"1","compute":"a","max_age":' + "9" * 10_000 + "}")
@example('{"action":"request","id":"1","compute":"a","deadline_ms":' + "9" * 10_000 + "}")
@example('{"action":"request","id":"1","compute":"a","max_age":1e999}')
@example("NaN")
@example('{"action":"request","id":"1","compute":"a","max_age":NaN}')
@example("\x00")
@example("\ufeff{}")
def test_any_text_is_a_message_or_refused(text: str) -> None:
    check(text)


@given(st.dictionaries(MEMBERS, VALUES))
def test_any_object_is_a_message_or_refused(document: dict[str, object]) -> None:
    check(json.dumps(document))
    for message in (REQUEST, SUBSCRIBE, PUBLISH):
        check(json.dumps({**message, **document}))


def check(body: str) -> None:
    outcome = message_or_refusal(body)
    if isinstance(outcome, MessageRefusedError):
        assert outcome.code in {ErrorCode.INVALID_JSON, ErrorCode.INVALID_MESSAGE, ErrorCode.UNKNOWN_ACTION}
        assert outcome.message.endswith(".")
        assert outcome.request_id is None or 0 < len(outcome.request_id.encode()) <= 128
    else:
        assert 0 < len(outcome.id.encode()) <= 128


def message_or_refusal(body: str) -> ClientMessage | MessageRefusedError:
    try:
        return parse_message(body)
    except MessageRefusedError as exc:
        return exc


def test_a_request_needs_an_id_and_a_compute_only() -> None:
    message = parse_message(json.dumps(REQUEST))
    assert isinstance(message, Request)
    assert (message.id, message.compute, bytes(message.params)) == ("7", "documents", b"{}")
    assert (message.max_age, message.deadline_ms) == (None, DEFAULT_DEADLINE_MS)


def test_params_are_kept_as_they_were_sent() -> None:
    message = parse_message('{"action":"request","id":"1","compute":"a","params":{"b" : 1.0, "a":[ ]}}')
    assert isinstance(message, Request)
    assert bytes(message.params) == b'{"b" : 1.0, "a":[ ]}'


def test_unknown_members_are_ignored() -> None:
    assert parse_message(request_with(colour="red")) == parse_message(request_with())


def test_a_hello_may_name_its_session() -> None:
    assert parse_message('{"action":"hello","id":"1","session":"s","accept":["gzip"]}') == Hello("1", "s", ("gzip",))


def test_a_subscription_names_a_channel_or_a_compute() -> None:
    channel = parse_message(json.dumps({**SUBSCRIBE, "since": "e:1", "accept": ["patch"]}))
    live = parse_message('{"action":"subscribe","id":"7","compute":"leaderboard","params":{"board" : "b"}}')
    assert isinstance(channel, Subscribe)
    assert isinstance(live, Subscribe)
    assert (channel.topic, channel.compute, channel.since, channel.accept) == ("news:it", None, "e:1", ("patch",))
    assert (live.topic, live.compute, bytes(live.params)) == (None, "leaderboard", b'{"board" : "b"}')


@pytest.mark.parametrize(
    "message",
    [
        {"action": "subscribe", "id": "7"},
        {**SUBSCRIBE, "compute": "leaderboard"},
        {**SUBSCRIBE, "topic": ""},
        {**SUBSCRIBE, "topic": "n" * 257},
        {**SUBSCRIBE, "since": 5},
        {"action": "unsubscribe", "id": "7"},
        {"action": "publish", "id": "7", "topic": "news:it"},
        {**PUBLISH, "message_id": ""},
        {"action": "hello", "id": "7", "positions": {str(number): "e:1" for number in range(1001)}},
        {"action": "hello", "id": "7", "positions": {"news:it": 1}},
    ],
    ids=str,
)
def test_what_is_said_of_topics_must_fit(message: dict[str, object]) -> None:
    error = refusal(json.dumps(message))
    assert (error.code, error.request_id) == (ErrorCode.INVALID_MESSAGE, "7")


def test_what_is_published_is_kept_as_it_was_sent() -> None:
    message = parse_message('{"action":"publish","id":"1","topic":"news:it","data":{"b" : 1.0}}')
    assert isinstance(message, Publish)
    assert bytes(message.data) == b'{"b" : 1.0}'


@pytest.mark.parametrize("max_age", [0, 0.5, 30, 86_400])
def test_an_age_is_a_number_of_seconds(max_age: float) -> None:
    message = parse_message(request_with(max_age=max_age))
    assert isinstance(message, Request)
    assert message.max_age == max_age


@pytest.mark.parametrize("deadline_ms", [1, MAX_DEADLINE_MS])
def test_a_deadline_is_up_to_fifteen_minutes(deadline_ms: int) -> None:
    message = parse_message(request_with(deadline_ms=deadline_ms))
    assert isinstance(message, Request)
    assert message.deadline_ms == deadline_ms


@pytest.mark.parametrize("identity", ["x" * 128, "\u00fc" * 64, "\U0001f600" * 32])
def test_an_id_may_have_128_bytes(identity: str) -> None:
    assert parse_message(request_with(id=identity)).id == identity


@pytest.mark.parametrize("identity", ["x" * 129, "\u00fc" * 64 + "x", "\U0001f600" * 32 + "x", "\u00fc" * 128, ""])
def test_an_id_may_have_neither_more_bytes_nor_none(identity: str) -> None:
    assert refusal(request_with(id=identity)).code is ErrorCode.INVALID_MESSAGE


@pytest.mark.parametrize(
    "body",
    ["", "no json", "{", '{"a":1}}', '{"a":1', "{'a':1}", "[" * 100_000, '{"action":"request","id":5,', "\ud800"],
)
def test_what_is_no_json_is_refused_as_such(body: str) -> None:
    error = refusal(body)
    assert (error.code, error.request_id) == (ErrorCode.INVALID_JSON, None)


@pytest.mark.parametrize("body", ["[]", "null", "1", '"text"', "true", "[{}]"])
def test_what_is_no_object_is_refused(body: str) -> None:
    assert refusal(body).code is ErrorCode.INVALID_MESSAGE


@pytest.mark.parametrize("body", ["{}", '{"id":"7"}', '{"action":null,"id":"7"}', '{"action":5,"id":"7"}'])
def test_an_object_without_an_action_is_refused(body: str) -> None:
    assert refusal(body).code is ErrorCode.INVALID_MESSAGE


@pytest.mark.parametrize("action", ["shout", "", "Request", "x" * 100_000])
def test_an_unknown_action_is_refused(action: str) -> None:
    error = refusal(json.dumps({"action": action, "id": "7"}))
    assert (error.code, error.request_id) == (ErrorCode.UNKNOWN_ACTION, "7")
    assert len(error.message) < 200


@pytest.mark.parametrize(
    "members",
    [
        {"compute": ""},
        {"compute": "x" * 65},
        {"compute": 5},
        {"compute": None},
        {"max_age": -1},
        {"max_age": "30"},
        {"deadline_ms": 0},
        {"deadline_ms": -5},
        {"deadline_ms": MAX_DEADLINE_MS + 1},
        {"deadline_ms": 1.5},
        {"deadline_ms": True},
        {"accept": "gzip"},
        {"accept": ["gzip"] * 9},
    ],
    ids=str,
)
def test_a_member_that_does_not_fit_is_refused_and_named(members: dict[str, object]) -> None:
    error = refusal(request_with(**members))
    assert (error.code, error.request_id) == (ErrorCode.INVALID_MESSAGE, "7")
    assert next(iter(members)) in error.message


def test_a_refusal_carries_the_id_that_could_be_made_out() -> None:
    assert refusal('{"action":"request","id":"7"}').request_id == "7"
    assert refusal('{"action":"request","id":7}').request_id is None
    assert refusal(json.dumps({"action": "shout", "id": "x" * 129})).request_id is None


@pytest.mark.parametrize("depth", [100_000, 50_000])
@pytest.mark.parametrize("member", ["params", "colour", "id", "max_age"])
def test_json_nested_too_deeply_is_refused_the_same_wherever_it_is(member: str, depth: int) -> None:
    body = f'{{"action":"request","id":"7","compute":"a","{member}":{nested(depth)}}}'
    assert refusal(body).code is ErrorCode.INVALID_JSON
