"""docs/asyncapi.yaml: a valid document of the messages that are read and written on the WebSocket."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft7Validator

from push.computes import Tenant
from push.errors import CODES, ErrorCode, PushasideError
from push.keys import Key
from push.protocol.chunks import split_message
from push.protocol.frames import (
    CacheState,
    render_accepted,
    render_error,
    render_error_object,
    render_result,
    render_welcome,
)
from push.protocol.large_answers import encode_data, render_large_data, render_large_result
from push.protocol.messages import ClientMessage, MessageRefusedError, parse_message
from push.protocol.payloads import LINK_FROM_BYTES
from push.results import Result, Status, make_etag
from push.topics.fan_out_jobs import Farewell
from push.topics.farewells import render_bye
from push.topics.histories import History, Message
from push.topics.live_results import PAYLOAD_FROM_BYTES, entry_of
from push.topics.patches import PatchKind, make_patch
from push.topics.positions import MAX_OFFSET, Position
from push.topics.presence import MAX_NAMED
from push.topics.topic_answers import (
    Subscribed,
    render_published,
    render_subscribed_head,
    render_unsubscribed,
    subscribed_live,
)
from push.topics.topics import Topic, live_topic
from push.topics.update_frames import render_history, render_lost, render_patched, render_presence
from tests.builders.results import NOW_MS, make_result
from tests.documentation.asyncapi import (
    CLIENTS,
    SERVERS,
    Document,
    declared_members,
    fitting,
    forms,
    parts,
    payload_of,
    reached,
    read_document,
    resolved,
    schema_validator,
)

STRUCTURE = {
    "definitions": {
        "reference": {
            "type": "object",
            "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
            "required": ["$ref"],
            "additionalProperties": False,
        },
        "references": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/reference"}},
        "operation": {
            "type": "object",
            "properties": {
                "action": {"enum": ["send", "receive"]},
                "channel": {"$ref": "#/definitions/reference"},
                "messages": {"$ref": "#/definitions/references"},
                "summary": {"type": "string"},
                "description": {"type": "string"},
                "reply": {
                    "type": "object",
                    "properties": {
                        "channel": {"$ref": "#/definitions/reference"},
                        "messages": {"$ref": "#/definitions/references"},
                    },
                    "required": ["channel", "messages"],
                    "additionalProperties": False,
                },
            },
            "required": ["action", "channel", "messages"],
            "additionalProperties": False,
        },
        "message": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "title": {"type": "string"},
                "description": {"type": "string"},
                "correlationId": {"$ref": "#/definitions/reference"},
                "payload": {"$ref": "#/definitions/reference"},
                "examples": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "properties": {"name": {}, "summary": {}, "payload": {"type": "object"}},
                        "required": ["name", "payload"],
                        "additionalProperties": False,
                    },
                },
            },
            "required": ["name", "title", "payload", "examples"],
            "additionalProperties": False,
        },
    },
    "type": "object",
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"type": "object", "required": ["title", "version"]},
        "defaultContentType": {"const": "application/json"},
        "servers": {"additionalProperties": {"type": "object", "required": ["host", "protocol"]}},
        "channels": {
            "additionalProperties": {
                "type": "object",
                "properties": {"messages": {"additionalProperties": {"$ref": "#/definitions/reference"}}},
                "required": ["address", "messages"],
            }
        },
        "operations": {"additionalProperties": {"$ref": "#/definitions/operation"}},
        "components": {
            "type": "object",
            "properties": {
                "securitySchemes": {"additionalProperties": {"type": "object", "required": ["type"]}},
                "correlationIds": {"additionalProperties": {"type": "object", "required": ["location"]}},
                "messages": {"additionalProperties": {"$ref": "#/definitions/message"}},
                "schemas": {"additionalProperties": {"$ref": "http://json-schema.org/draft-07/schema#"}},
            },
            "additionalProperties": False,
        },
    },
    "required": ["asyncapi", "info", "servers", "channels", "operations", "components"],
    "additionalProperties": False,
}
"""Of the parts of AsyncAPI 3.0 that are used here, what they must be: narrower than its own schema, without Node."""

RENDERERS_OF_PARTS = {"render_result_head", "render_with_data", "render_with_encoded", "render_with_link"}
"""What others call; a whole frame is never theirs alone."""

OVER_HTTP = {"problems.py", "webhook_messages.py"}


@pytest.fixture(scope="module")
def document() -> Document:
    return read_document()


def names(references: list[Document]) -> list[str]:
    return [each["$ref"].removeprefix("#/channels/socket/messages/") for each in references]


class TestTheDocument:
    def test_it_is_valid_by_the_schema_of_asyncapi_3_0(self, document: Document, root: Path) -> None:
        published = root / "tests/node/node_modules/@asyncapi/specs/schemas/3.0.0.json"
        if not published.exists():
            missing = "The npm package @asyncapi/specs is not installed: npm ci --ignore-scripts, in tests/node."
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
        schema = Draft7Validator(json.loads(published.read_text()), validate_formats=True)
        assert not schema.is_valid({**document, "channels": {"socket": {"address": 7}}})
        assert [error.message for error in schema.iter_errors(document)] == []

    def test_it_has_the_parts_that_this_file_reads(self, document: Document) -> None:
        assert [error.message for error in Draft7Validator(STRUCTURE).iter_errors(document)] == []

    def test_its_references_lead_somewhere_and_nothing_stands_beside_them(self, document: Document) -> None:
        references = [part for part in parts(document) if "$ref" in part]
        assert len(references) > 100
        for each in references:
            assert each.keys() == {"$ref"}
            assert resolved(each)

    def test_its_patterns_are_regular_expressions(self, document: Document) -> None:
        for part in parts(document["components"]["schemas"]):
            if isinstance(part.get("pattern"), str):
                re.compile(part["pattern"])

    def test_every_message_is_on_the_socket_under_its_name(self, document: Document) -> None:
        messages = document["components"]["messages"]
        on_socket = document["channels"]["socket"]["messages"]
        assert on_socket == {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
        assert messages.keys() == CLIENTS | SERVERS
        assert {message["name"] for message in messages.values()} == messages.keys()

    def test_clients_send_what_operations_receive_and_get_the_rest(self, document: Document) -> None:
        received, sent = set[str](), set[str]()
        for operation in document["operations"].values():
            (received if operation["action"] == "receive" else sent).update(names(operation["messages"]))
            sent.update(names(operation.get("reply", {}).get("messages", [])))
        assert received == CLIENTS
        assert sent == SERVERS

    def test_it_has_the_actions_that_are_read_and_the_pings_that_a_mock_answers(self, document: Document) -> None:
        actions = {each.__struct_config__.tag for each in get_args(ClientMessage)}
        assert actions | {"ping"} == CLIENTS

    def test_every_renderer_is_held_against_it_below(self, root: Path) -> None:
        sources = [path.read_text() for path in (root / "src/push").rglob("*.py") if path.name not in OVER_HTTP]
        renderers = {name for each in sources for name in re.findall(r"^def (render_\w+)", each, re.MULTILINE)}
        assert renderers - globals().keys() == RENDERERS_OF_PARTS

    def test_it_has_the_error_codes_that_there_are_once(self, document: Document) -> None:
        assert document["components"]["schemas"]["ErrorCode"]["enum"] == [code.value for code in ErrorCode]
        others = [part for part in parts(document) if set(part.get("enum", ())) & {code.value for code in ErrorCode}]
        assert others == [document["components"]["schemas"]["ErrorCode"]]

    def test_every_example_fits_its_message_and_no_other(self, document: Document) -> None:
        for name, message in document["components"]["messages"].items():
            for example in message["examples"]:
                assert fitting(example["payload"], CLIENTS | SERVERS) == [name], (name, example["name"])

    def test_its_examples_have_no_member_that_is_not_described(self, document: Document) -> None:
        for name, message in document["components"]["messages"].items():
            for example in message["examples"]:
                assert example["payload"].keys() <= declared_members(message["payload"]), (name, example["name"])

    def test_its_examples_of_clients_messages_are_read(self, document: Document) -> None:
        for name in CLIENTS - {"ping"}:
            for example in document["components"]["messages"][name]["examples"]:
                assert parse_message(json.dumps(example["payload"]))

    def test_its_encoded_example_is_what_its_etag_is_of(self, document: Document) -> None:
        examples = document["components"]["messages"]["result"]["examples"]
        encoded = next(each["payload"] for each in examples if "encoding" in each["payload"])
        assert make_etag(gzip.decompress(base64.b64decode(encoded["data"]))) == encoded["etag"]

    def test_the_mock_answers_pings_with_a_pong(self, template: Document) -> None:
        templates = [each["ResponseTemplates"] for each in parts(template) if "ResponseTemplates" in each]
        assert [fitting(json.loads(each["$default"]), SERVERS) for each in templates] == [["pong"]]


def is_read(body: str) -> bool:
    try:
        parse_message(body)
    except MessageRefusedError:
        return False
    return True


def is_described(message: Any) -> bool:
    return bool(fitting(message, CLIENTS - {"ping"}))


GOOD: list[Document] = [
    {"action": "hello", "id": "1"},
    {"action": "hello", "id": "x" * 128},
    {"action": "hello", "id": "ä" * 64},
    {"action": "hello", "id": "1", "session": None, "accept": None, "positions": None},
    {"action": "hello", "id": "1", "session": "", "accept": [], "positions": {}},
    {"action": "hello", "id": "1", "session": "s" * 64, "accept": ["gzip"] * 8, "positions": {"t" * 256: "p" * 64}},
    {"action": "hello", "id": "1", "positions": {f"demo:{number}": "e:1" for number in range(1000)}},
    {"action": "hello", "id": "1", "more": {"is": "ignored"}},
    {"action": "request", "id": "1", "compute": "documents"},
    {"action": "request", "id": "1", "compute": "c" * 64, "params": {"a": 1}, "max_age": 0, "deadline_ms": 1},
    {"action": "request", "id": "1", "compute": "documents", "max_age": 0.5, "deadline_ms": 900_000},
    {"action": "request", "id": "1", "compute": "documents", "max_age": None, "accept": ["gzip"]},
    {"action": "request", "id": "1", "compute": "documents", "params": "what does not fit is answered later"},
    {"action": "subscribe", "id": "1", "topic": "demo:news"},
    {"action": "subscribe", "id": "1", "topic": "demo:news", "compute": None, "since": None},
    {"action": "subscribe", "id": "1", "topic": "demo:news", "since": "e:1", "accept": ["gzip", "patch"]},
    {"action": "subscribe", "id": "1", "compute": "leaderboard", "params": {"board": "demo"}},
    {"action": "subscribe", "id": "1", "compute": "leaderboard", "topic": None},
    {"action": "unsubscribe", "id": "1", "topic": "demo:news"},
    {"action": "publish", "id": "1", "topic": "demo:news", "data": {"title": "Rain"}},
    {"action": "publish", "id": "1", "topic": "demo:news", "data": None, "message_id": "a-1"},
    {"action": "publish", "id": "1", "topic": "demo:news", "data": 7, "message_id": None},
]

BAD: list[Any] = [
    [],
    "hello",
    None,
    {},
    {"id": "1"},
    {"action": 1, "id": "1"},
    {"action": "shout", "id": "1"},
    {"action": "hello"},
    {"action": "hello", "id": ""},
    {"action": "hello", "id": None},
    {"action": "hello", "id": 1},
    {"action": "hello", "id": "x" * 129},
    {"action": "hello", "id": "1", "session": "s" * 65},
    {"action": "hello", "id": "1", "session": 1},
    {"action": "hello", "id": "1", "accept": "gzip"},
    {"action": "hello", "id": "1", "accept": [1]},
    {"action": "hello", "id": "1", "accept": ["gzip"] * 9},
    {"action": "hello", "id": "1", "positions": []},
    {"action": "hello", "id": "1", "positions": {"": "e:1"}},
    {"action": "hello", "id": "1", "positions": {"t" * 257: "e:1"}},
    {"action": "hello", "id": "1", "positions": {"demo:news": ""}},
    {"action": "hello", "id": "1", "positions": {"demo:news": "p" * 65}},
    {"action": "hello", "id": "1", "positions": {"demo:news": None}},
    {"action": "hello", "id": "1", "positions": {f"demo:{number}": "e:1" for number in range(1001)}},
    {"action": "request", "id": "1"},
    {"action": "request", "id": "1", "compute": ""},
    {"action": "request", "id": "1", "compute": None},
    {"action": "request", "id": "1", "compute": "c" * 65},
    {"action": "request", "id": "1", "compute": "documents", "max_age": -1},
    {"action": "request", "id": "1", "compute": "documents", "max_age": "30"},
    {"action": "request", "id": "1", "compute": "documents", "max_age": True},
    {"action": "request", "id": "1", "compute": "documents", "deadline_ms": 0},
    {"action": "request", "id": "1", "compute": "documents", "deadline_ms": 900_001},
    {"action": "request", "id": "1", "compute": "documents", "deadline_ms": 0.5},
    {"action": "request", "id": "1", "compute": "documents", "deadline_ms": None},
    {"action": "request", "id": "1", "compute": "documents", "deadline_ms": True},
    {"action": "subscribe", "id": "1"},
    {"action": "subscribe", "id": "1", "topic": None, "compute": None},
    {"action": "subscribe", "id": "1", "topic": "demo:news", "compute": "leaderboard"},
    {"action": "subscribe", "id": "1", "topic": ""},
    {"action": "subscribe", "id": "1", "topic": "t" * 257},
    {"action": "subscribe", "id": "1", "topic": "demo:news", "since": ""},
    {"action": "subscribe", "id": "1", "topic": "demo:news", "since": "p" * 65},
    {"action": "unsubscribe", "id": "1"},
    {"action": "unsubscribe", "id": "1", "topic": None},
    {"action": "publish", "id": "1", "topic": "demo:news"},
    {"action": "publish", "id": "1", "data": 1},
    {"action": "publish", "id": "1", "topic": "demo:news", "data": 1, "message_id": ""},
    {"action": "publish", "id": "1", "topic": "demo:news", "data": 1, "message_id": "m" * 129},
]


def for_all(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`given`, without a deadline for an example: the first one reads the document."""
    return lambda test: settings(deadline=None)(given(**strategies)(test))


def shown(message: Any) -> str:
    return json.dumps(message)[:80]


texts = st.text(st.characters(codec="utf-8"), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-2, 900_002) | st.sampled_from((0.5, -0.5)) | texts
json_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner))
lengths = st.sampled_from((1, 32, 64, 65, 128, 129, 256, 257)).map(lambda length: "x" * length)
fields = json_values | lengths | st.dictionaries(texts | lengths, texts | lengths) | st.lists(texts, max_size=10)
near_messages = st.builds(
    lambda message, changed, removed: {
        name: value for name, value in (message | changed).items() if name not in removed
    },
    st.sampled_from(GOOD),
    st.dictionaries(
        st.sampled_from(sorted({name for message in GOOD for name in message} - {"action"})), fields, max_size=2
    ),
    st.sets(st.sampled_from(sorted({name for message in GOOD for name in message})), max_size=1),
)


class TestClientsMessages:
    @pytest.mark.parametrize("message", GOOD, ids=shown)
    def test_what_is_read_fits(self, message: Document) -> None:
        assert is_read(json.dumps(message))
        assert fitting(message, CLIENTS) == [message["action"]]

    @pytest.mark.parametrize("message", BAD, ids=shown)
    def test_what_is_refused_does_not_fit(self, message: Any) -> None:
        assert not is_read(json.dumps(message))
        assert not is_described(message)

    @for_all(message=near_messages)
    def test_what_is_nearly_a_message_is_read_exactly_if_it_fits(self, message: Document) -> None:
        assert is_read(json.dumps(message)) == is_described(message)

    @pytest.mark.parametrize(
        "message",
        [
            {"action": "hello", "id": "ä" * 65},
            {"action": "request", "id": "1", "compute": "documents", "deadline_ms": 5000.0},
        ],
        ids=["bytes of UTF-8", "a fraction of zero"],
    )
    def test_two_rules_are_in_words_for_no_schema_can_say_them(self, message: Document) -> None:
        assert is_described(message)
        assert not is_read(json.dumps(message))

    def test_ping_is_not_read_but_answered_by_the_gateway(self) -> None:
        assert fitting({"action": "ping"}, CLIENTS) == ["ping"]
        assert not is_read('{"action":"ping"}')


def check(frame: str | bytes, message: str) -> Document:
    """Return a frame that is that message, no other, and has nothing that is not described."""
    decoded: Document = json.loads(frame)
    assert fitting(decoded, SERVERS) == [message], decoded
    assert decoded.keys() <= declared_members(read_document()["components"]["messages"][message]["payload"])
    return decoded


def link(name: str = "", _seconds: int = 0) -> str:
    return f"https://example.com/{name}?X-Amz-Signature=7d3e"


def dump(value: object) -> bytes:
    return msgspec.json.encode(value)


tenants = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True).map(Tenant)
keys = st.builds(
    Key,
    st.none() | tenants,
    st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True),
    st.integers(1, 999_999_999),
    st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
)
channels = st.builds(
    Topic,
    tenants,
    st.from_regex(r"[A-Za-z0-9_.-]{1,64}:[A-Za-z0-9_.:/-]{1,128}", fullmatch=True),
)
live_topics = keys.map(live_topic)
positions = st.builds(Position, st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True), st.integers(0, MAX_OFFSET))
ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=32)
errors = st.builds(
    PushasideError, texts, code=st.sampled_from(ErrorCode), retry_after_ms=st.none() | st.integers(0, 10**6)
)
caches = st.sampled_from(CacheState)
values = st.one_of(json_values, st.just("x" * 5000)).map(lambda value: make_result(dump(value)))
failures = errors.map(lambda error: make_result(render_error_object(error), status=Status.FAILURE))
messages = st.builds(Message, positions, json_values.map(dump), st.just(NOW_MS))

KEY = Key(Tenant("acme"), "documents", 1, "5f" * 16)
LIVE = live_topic(KEY)
POSITION = Position("kQ3dX0aB", 7)
INCOMPRESSIBLE = dump("".join(f"{number * 7919:x}" for number in range(70_000)))
FORMS: dict[str, Callable[[], tuple[bytes, str]]] = {
    "plain": lambda: (b'{"n":1}', ""),
    "encoded": lambda: (dump("x" * 9000), encode_data(dump("x" * 9000))),
    "chunks": lambda: (INCOMPRESSIBLE[:200_000] + b'"', ""),
    "chunks of encoded": lambda: (INCOMPRESSIBLE[:400_000] + b'"', encode_data(INCOMPRESSIBLE[:400_000] + b'"')),
    "link": lambda: (dump("x" * LINK_FROM_BYTES), ""),
}


def check_form(frames: list[str], message: str, form: str) -> None:
    if form.startswith("chunks"):
        pieces = [check(frame, "chunk")["data"] for frame in frames]
        assert len(pieces) > 1
        frames = ["".join(pieces)]
    (frame,) = frames
    decoded = check(frame, message)
    assert ("url" in decoded) == (form == "link")
    assert ("encoding" in decoded) == (form in {"encoded", "chunks of encoded"})


class TestAnswers:
    @for_all(request_id=ids, key=keys, result=values, state=caches, now_ms=st.integers(0, 2 * NOW_MS))
    def test_results_fit(self, request_id: str, key: Key, result: Result, state: CacheState, now_ms: int) -> None:
        check(render_result(request_id, key, result, state, now_ms), "result")

    @for_all(request_id=ids, key=keys, result=failures, state=caches)
    def test_results_that_are_failures_fit_as_errors(
        self, request_id: str, key: Key, result: Result, state: CacheState
    ) -> None:
        check(render_result(request_id, key, result, state, NOW_MS), "error")

    @pytest.mark.parametrize("form", FORMS)
    def test_results_fit_in_each_form(self, form: str) -> None:
        data, encoded = FORMS[form]()
        result = make_result(data)
        frames = render_large_result("1", KEY, result, CacheState.HIT, NOW_MS, encoded=encoded, link=link)
        check_form(frames, "result", form)

    @pytest.mark.parametrize("form", FORMS)
    def test_live_values_that_answer_a_subscriber_fit_in_each_form(self, form: str) -> None:
        data, encoded = FORMS[form]()
        head = render_subscribed_head("1", subscribed_live(LIVE, POSITION, make_result(data), recovered=True))
        check_form(render_large_data("1", head, data, encoded=encoded, link=link), "subscribed", form)

    @for_all(request_id=st.none() | ids, error=errors)
    def test_errors_fit(self, request_id: str | None, error: PushasideError) -> None:
        check(render_error(request_id, error), "error")

    def test_errors_of_every_code_fit(self) -> None:
        for code in CODES:
            assert check(render_error("1", PushasideError(code=code)), "error")["error"]["code"] == code

    @for_all(request_id=ids)
    def test_accepted_fits(self, request_id: str) -> None:
        check(render_accepted(request_id), "accepted")

    @for_all(
        request_id=ids,
        session=st.text(min_size=1, max_size=64),
        seconds=st.floats(0.001, 7200),
        refused=st.none() | st.dictionaries(ids, errors, max_size=3),
    )
    def test_welcomes_fit(
        self, request_id: str, session: str, seconds: float, refused: dict[str, PushasideError] | None
    ) -> None:
        check(render_welcome(request_id, session, seconds, refused), "welcome")

    @for_all(request_id=ids, text=st.text(st.characters(codec="utf-8"), min_size=1))
    def test_chunks_fit(self, request_id: str, text: str) -> None:
        for frame in split_message(request_id, text * 5000):
            check(frame, "chunk")


class TestAnswersToSubscribers:
    @for_all(request_id=ids, topic=channels | live_topics, position=positions)
    def test_without_data_they_fit(self, request_id: str, topic: Topic, position: Position) -> None:
        check(render_subscribed_head(request_id, Subscribed(topic, position)) + "}", "subscribed")

    @for_all(request_id=ids, topic=channels, position=positions, data=json_values)
    def test_of_channels_that_are_not_recovered_they_fit(
        self, request_id: str, topic: Topic, position: Position, data: object
    ) -> None:
        head = render_subscribed_head(request_id, Subscribed(topic, position, recovered=False))
        (frame,) = render_large_data(request_id, head, dump(data), encoded="", link=link)
        check(frame, "subscribed")

    @for_all(topic=live_topics, position=positions, result=values, recovered=st.booleans())
    def test_of_live_values_they_fit(self, topic: Topic, position: Position, result: Result, recovered: bool) -> None:
        head = render_subscribed_head("1", subscribed_live(topic, position, result, recovered=recovered))
        (frame,) = render_large_data("1", head, result.data, encoded=encode_data(result.data), link=link)
        check(frame, "subscribed")

    @for_all(topic=live_topics, position=positions, result=st.none() | failures, recovered=st.booleans())
    def test_of_failures_and_what_is_being_computed_they_fit(
        self, topic: Topic, position: Position, result: Result | None, recovered: bool
    ) -> None:
        head = render_subscribed_head("1", subscribed_live(topic, position, result, recovered=recovered))
        check(head + "}", "subscribed")

    @for_all(request_id=ids, topic=channels | live_topics)
    def test_unsubscribed_fits(self, request_id: str, topic: Topic) -> None:
        check(render_unsubscribed(request_id, topic), "unsubscribed")

    @for_all(request_id=ids, topic=channels, position=positions)
    def test_published_fits(self, request_id: str, topic: Topic, position: Position) -> None:
        check(render_published(request_id, topic, position), "published")


class TestPushes:
    @for_all(topic=channels, found=st.lists(messages, max_size=3), head=positions, is_complete=st.booleans())
    def test_of_channels_they_fit(self, topic: Topic, found: list[Message], head: Position, is_complete: bool) -> None:
        history = History(tuple(found), is_complete, head)
        for step in render_history(topic, history, link):
            check(step.frame, "update" if is_complete else "resync")

    @for_all(key=keys, result=values | failures, position=positions, is_complete=st.booleans())
    def test_of_live_results_they_fit(self, key: Key, result: Result, position: Position, is_complete: bool) -> None:
        message = Message(position, entry_of(key, result).message.data, NOW_MS)
        (step,) = render_history(live_topic(key), History((message,), is_complete, position), link)
        check(step.frame, "update" if is_complete else "resync")

    @pytest.mark.parametrize("is_complete", [True, False])
    def test_of_large_live_results_they_fit(self, is_complete: bool) -> None:
        message = Message(POSITION, entry_of(KEY, make_result(dump("x" * PAYLOAD_FROM_BYTES))).message.data, NOW_MS)
        (step,) = render_history(LIVE, History((message,), is_complete, POSITION), link)
        assert "url" in check(step.frame, "update" if is_complete else "resync")

    @pytest.mark.parametrize("is_complete", [True, False])
    def test_of_entries_that_can_not_be_made_out_they_fit(self, is_complete: bool) -> None:
        message = Message(POSITION, b"[]", NOW_MS)
        (step,) = render_history(LIVE, History((message,), is_complete, POSITION), link)
        frame = check(step.frame, "update" if is_complete else "resync")
        assert frame.keys() == {"type", "topic", "position"}

    def test_of_live_results_that_are_gone_they_fit(self) -> None:
        (step,) = render_history(LIVE, History((), False, POSITION), link)
        check(step.frame, "resync")

    @for_all(before=json_values, after=json_values, padding=st.sampled_from(("list", "object")))
    def test_patches_fit(self, before: object, after: object, padding: str) -> None:
        unchanged = list(range(100))
        old, new = (
            dump([value, *unchanged] if padding == "list" else {"value": value, "unchanged": unchanged})
            for value in (before, after)
        )
        patch = make_patch(old, new)
        assume(patch is not None)
        assert patch is not None
        frame = check(render_patched(LIVE, POSITION, make_etag(new), patch.base, patch), "update")
        assert ("merge_patch" in frame) == (patch.kind is PatchKind.MERGE)

    @for_all(
        topic=channels | live_topics,
        count=st.integers(0, 10**6),
        principals=st.lists(texts, max_size=3),
        repeated=st.sampled_from((1, MAX_NAMED // 3)),
    )
    def test_presence_fits(self, topic: Topic, count: int, principals: list[str], repeated: int) -> None:
        check(render_presence(topic, count, principals * repeated, principals), "presence")

    @for_all(closes_at_ms=st.integers(0, 2 * NOW_MS), now_ms=st.integers(0, 2 * NOW_MS))
    def test_farewells_fit(self, closes_at_ms: int, now_ms: int) -> None:
        check(render_bye(Farewell("c-1", 0, closes_at_ms), now_ms), "bye")


def value_frames() -> list[str | bytes]:
    """Every form that a value or an error comes in, as an answer to a request, to a subscriber and as a push."""
    failure = make_result(render_error_object(PushasideError(retry_after_ms=5)), status=Status.FAILURE)
    frames: list[str | bytes] = [render_result("1", KEY, failure, CacheState.HIT, NOW_MS)]
    for recovered in (True, False):
        frames += [
            render_subscribed_head("1", subscribed_live(LIVE, POSITION, result, recovered=recovered)) + "}"
            for result in (None, failure)
        ]
    for write in FORMS.values():
        data, encoded = write()
        result = make_result(data)
        frames += render_large_result("1", KEY, result, CacheState.HIT, NOW_MS, encoded=encoded, link=link)
        head = render_subscribed_head("1", subscribed_live(LIVE, POSITION, result, recovered=True))
        frames += render_large_data("1", head, data, encoded=encoded, link=link)
    for result in (failure, make_result(b"[1]"), make_result(dump("x" * PAYLOAD_FROM_BYTES))):
        frames += pushes(LIVE, Message(POSITION, entry_of(KEY, result).message.data, NOW_MS))
    return [*frames, *pushes(LIVE, Message(POSITION, b"[]", NOW_MS))]


def pushes(topic: Topic, message: Message) -> list[bytes]:
    histories = (History((message,), is_complete, POSITION) for is_complete in (True, False))
    return [step.frame for history in histories for step in render_history(topic, history, link)]


def channel_frames() -> list[str | bytes]:
    channel = Topic(Tenant("acme"), "demo:news")
    unrecovered = render_subscribed_head("1", Subscribed(channel, POSITION, recovered=False))
    return [
        render_subscribed_head("1", Subscribed(channel, POSITION)) + "}",
        *render_large_data("1", unrecovered, b"null", encoded="", link=link),
        render_unsubscribed("1", channel),
        render_published("1", channel, POSITION),
        *pushes(channel, Message(POSITION, b"{}", NOW_MS)),
        render_presence(channel, 1, ["ada"], []),
        render_lost(LIVE, POSITION),
    ]


def patch_frames() -> list[bytes]:
    unchanged = list(range(100))
    values = ([{"n": 1, "unchanged": unchanged}, {"n": 2, "unchanged": unchanged}], [[1, *unchanged], [2, *unchanged]])
    patches = [(make_patch(dump(before), dump(after)), make_etag(dump(after))) for before, after in values]
    return [render_patched(LIVE, POSITION, etag, patch.base, patch) for patch, etag in patches if patch]


def session_frames(pong: str) -> list[str | bytes]:
    return [
        render_welcome("1", "s", 6600.0, {"demo:news": PushasideError()}),
        render_accepted("1"),
        render_error(None, PushasideError()),
        render_bye(Farewell("c-1", 0, NOW_MS), NOW_MS),
        pong,
        '{"message": "Internal server error", "connectionId":"L0SM9cOFvHcCIhw=", "requestId":"L0SNKFtsPHcFfwg="}',
    ]


@pytest.fixture(scope="module")
def frames(template: Document) -> dict[str, list[Document]]:
    (pong,) = (each["ResponseTemplates"]["$default"] for each in parts(template) if "ResponseTemplates" in each)
    found: dict[str, list[Document]] = {name: [] for name in SERVERS}
    for text in (*value_frames(), *channel_frames(), *patch_frames(), *session_frames(pong)):
        frame = json.loads(text)
        (name,) = fitting(frame, SERVERS)
        found[name].append(frame)
    return found


class TestNothingIsDescribedInVain:
    """What the document says can come does, and what it says may be sent is read."""

    def test_every_schema_is_of_some_message(self, document: Document) -> None:
        assert reached(document["components"]["messages"]) == document["components"]["schemas"].keys()

    def test_what_is_defined_beside_them_is_referred_to(self, document: Document) -> None:
        references = {part["$ref"] for part in parts(document) if "$ref" in part}
        for kind in ("correlationIds", "securitySchemes"):
            assert {f"#/components/{kind}/{name}" for name in document["components"][kind]} <= references

    @pytest.mark.parametrize("name", sorted(SERVERS))
    def test_servers_messages_come_in_every_form(self, name: str, frames: dict[str, list[Document]]) -> None:
        assert self.unused(name, frames[name]) == []

    @pytest.mark.parametrize("name", sorted(CLIENTS - {"ping"}))
    def test_clients_messages_are_read_in_every_form(self, name: str) -> None:
        assert self.unused(name, [message for message in GOOD if message["action"] == name]) == []

    def test_both_of_the_patches_come(self, frames: dict[str, list[Document]]) -> None:
        assert [each.keys() & {"merge_patch", "json_patch"} for each in frames["update"] if "base" in each] == [
            {"merge_patch"},
            {"json_patch"},
        ]

    @staticmethod
    def unused(name: str, frames: list[Document]) -> list[str]:
        """Give the members and alternatives of a message that none of the frames has."""
        members = declared_members(payload_of(name)) - {member for frame in frames for member in frame}
        alternatives = [
            form for form in forms(payload_of(name)) if not any(map(schema_validator(form).is_valid, frames))
        ]
        return [*members, *(str(form) for form in alternatives)]
