import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushaside.errors import InvalidParamsError, UnreadableResultError
from pushaside.protocol.messages import (
    Accepted,
    Bye,
    Failed,
    GatewayFault,
    Linked,
    Piece,
    Pong,
    Result,
    Unknown,
    Welcome,
    read_message,
    split_frames,
)
from pushaside.protocol.positions import Position
from pushaside.protocol.questions import ask_compute, write_hello
from pushaside.protocol.topic_messages import Published, Pushed, Subscribed, Unsubscribed, Value


def read(**fields: object) -> object:
    return read_message(orjson.dumps(fields))


def test_a_request_says_what_the_protocol_asks_for() -> None:
    question = ask_compute("leaderboard", {"board": "b", "top": 3}, max_age=2.5)

    assert json.loads(question.write("r1", 12.3456)) == {
        "action": "request",
        "id": "r1",
        "compute": "leaderboard",
        "params": {"board": "b", "top": 3},
        "max_age": 2.5,
        "deadline_ms": 12346,
    }


def test_params_are_those_of_the_moment_of_asking() -> None:
    params = {"ids": ["TX"]}
    question = ask_compute("documents", params, max_age=None)
    params["ids"].append("CA")

    assert json.loads(question.write("r1", 1.0))["params"] == {"ids": ["TX"]}


@pytest.mark.parametrize("params", [{"at": object()}, {"n": 2**70}, {1: "x"}])
def test_params_that_json_cannot_hold_are_refused(params: dict) -> None:
    with pytest.raises(InvalidParamsError, match="cannot be written as JSON"):
        ask_compute("documents", params, max_age=None)


def test_a_hello_resumes_a_session_only_if_there_is_one() -> None:
    assert json.loads(write_hello("h1", None)) == {"action": "hello", "id": "h1", "accept": []}
    assert json.loads(write_hello("h1", "s1"))["session"] == "s1"


def test_what_is_accepted_is_said() -> None:
    assert json.loads(write_hello("h1", None, ("gzip",)))["accept"] == ["gzip"]
    question = ask_compute("documents", None, max_age=None, accept=("gzip",))
    assert json.loads(question.write("r1", 1.0))["accept"] == ["gzip"]


def test_a_result_is_read_with_its_age_in_seconds() -> None:
    message = read(type="result", id="r1", key="k", etag="e", cache="stale", age_ms=1250, data=[1], extra="ignored")

    assert message == Result(id="r1", key="k", etag="e", cache="stale", age=1.25, data=[1])


def test_a_result_of_null_is_a_result() -> None:
    assert read(type="result", id="r1", key="k", etag="e", cache="hit", age_ms=0, data=None).data is None


def test_a_result_with_a_link_is_read_without_data() -> None:
    message = read(type="result", id="r1", key="k", etag="e", cache="hit", age_ms=0, url="https://example.com/x")

    assert message == Linked(Result("r1", "k", "e", "hit", 0.0, None), "https://example.com/x")


def test_a_piece_is_read() -> None:
    message = read(type="chunk", id="r1", index=1, count=3, of="a1", data="text")

    assert message == Piece("r1", "a1", 1, 3, "text")


@pytest.mark.parametrize("fields", [{}, {"encoding": "gzip+base64", "data": "H4s"}, {"encoding": "zip", "data": "x"}])
def test_a_result_in_a_form_that_was_not_asked_for_is_an_error_and_not_a_wrong_value(fields: dict) -> None:
    message = read(type="result", id="r1", **fields)

    assert isinstance(message, Failed)
    assert isinstance(message.error, UnreadableResultError)


def test_a_welcome_is_read_with_its_limits() -> None:
    message = read(
        type="welcome",
        id="h1",
        session="s1",
        limits={"frame_bytes": 32768, "message_bytes": 131072},
        reconnect_after_seconds=6600,
    )

    assert message == Welcome("h1", "s1", 6600.0, 131072, 32768)


def test_a_welcome_may_say_nothing() -> None:
    assert read(type="welcome") == Welcome(None, None, None, None, None)


def test_the_small_messages_are_read() -> None:
    assert read(type="accepted", id="r1") == Accepted("r1")
    assert read(type="pong") == Pong()
    assert read(type="bye", code="going_away", retry=True, after_ms=1500) == Bye(
        "going_away", retry=True, after_seconds=1.5
    )
    assert read(type="bye") == Bye("", retry=True, after_seconds=0.0)


def test_api_gateways_own_frame_is_told_apart() -> None:
    frame = b'{"message": "Internal server error", "connectionId":"L0SM9cOFvHcCIhw=", "requestId":"Y"}'

    assert read_message(frame) == GatewayFault("Internal server error")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"1",
        b"{}",
        b'{"type":7}',
        b'{"type":"update","topic":"t"}',
        b'{"type":"result"}',
        b'{"type":"accepted","id":1}',
    ],
)
def test_what_cannot_be_read_is_unknown(text: bytes) -> None:
    assert isinstance(read_message(text), Unknown)


odd_values = st.sampled_from([None, True, -1, 0, 2.5, 1e308, "", "x", [], [1], {}, {"code": 1}, {"message_bytes": ""}])
fields = [
    "position",
    "topic",
    "index",
    "count",
    "of",
    "url",
    "encoding",
    "id",
    "key",
    "etag",
    "cache",
    "age_ms",
    "data",
    "error",
    "session",
    "limits",
    "code",
    "retry",
    "after_ms",
]


@given(
    st.sampled_from(
        ["result", "chunk", "accepted", "error", "welcome", "pong", "bye", "update", "subscribed", "published", None]
    ),
    st.dictionaries(st.sampled_from([*fields, "reconnect_after_seconds", "message"]), odd_values),
)
def test_no_json_makes_reading_fail(kind: str | None, fields: dict) -> None:
    read_message(json.dumps({**fields, "type": kind}).encode())


@given(st.binary(max_size=64))
def test_no_bytes_make_reading_fail(text: bytes) -> None:
    read_message(text)


@given(st.text(alphabet="aé€😀", max_size=400), st.integers(min_value=28, max_value=64))
def test_frames_are_small_whole_characters_and_lose_nothing(text: str, frame_bytes: int) -> None:
    frames = list(split_frames(text.encode(), frame_bytes))

    assert "".join(frame.decode() for frame in frames) == text
    assert all(0 < len(frame) <= frame_bytes for frame in frames)


def test_messages_about_topics_are_read() -> None:
    at = {"topic": "prices:eur", "position": "k3f9:17"}
    position = Position("k3f9", 17)

    assert read(type="update", **at, data=1) == Pushed("prices:eur", position, Value(1), is_resync=False)
    assert read(type="resync", **at, data=None) == Pushed("prices:eur", position, Value(None), is_resync=True)
    assert read(type="resync", **at) == Pushed("prices:eur", position, None, is_resync=True)
    assert read(type="published", id="q1", **at) == Published("q1", "k3f9:17")
    assert read(type="unsubscribed", id="q1", topic="prices:eur") == Unsubscribed("q1")
    assert read(type="subscribed", id="q1", **at, recovered=False, data=1, etag="e") == Subscribed(
        "q1", "prices:eur", position, recovered=False, value=Value(1, "e")
    )


@pytest.mark.parametrize("position", [None, 17, "17", "k3f9:", "k3f9:017", "k3f9:-1", ":1", "k3f9:1 "])
def test_a_message_about_a_topic_without_a_position_is_unknown(position: object) -> None:
    assert isinstance(read(type="update", topic="prices:eur", position=position, data=1), Unknown)
