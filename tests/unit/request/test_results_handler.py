"""`GET /results/{compute}` as an event is answered: status, headers and body."""

from __future__ import annotations

import base64
import gzip
import json
import random
from typing import Any

import msgspec
import pytest

from push.access.tokens import CredentialRefusedError, Identity
from push.computes import Tenant
from push.errors import ComputeFailedError, ErrorCode
from push.keys import Key, make_key
from push.protocol.frames import render_error_object
from push.results import Status, make_etag
from request.asking.polled_results import PolledResults
from request.asking.result_responses import ResultRenderer
from request.results_app import handle
from tests.builders.results import EchoParams, make_result
from tests.fakes.queues import FakeCounter
from tests.worlds.functions import World


class Tokens:
    """Whoever names a tenant is of it."""

    def verify(self, token: str, now: float) -> Identity:
        if token == "bad":
            raise CredentialRefusedError("It is bad.")
        return Identity(Tenant(token), "somebody")


class Parts:
    """One execution environment on fakes."""

    def __init__(self, world: World, *, is_open: bool = False, explains: bool = False) -> None:
        self.tokens = None if is_open else Tokens()
        self.metrics = FakeCounter()
        self.results = PolledResults(
            engine=world.new_engine(trust_ms=0, max_bytes=64 * 1024 * 1024),
            now_ms=world.clock,
            sleep=lambda seconds: world.clock.advance(int(seconds * 1000)),
        )
        self.renderer = ResultRenderer(
            encode=self.results.engine.encode,
            link=lambda name, seconds: f"https://s3/{name}",
            is_open=is_open,
            explains=explains,
        )


@pytest.fixture
def world() -> World:
    return World()


def event(compute: str = "echo", params: str | None = None, **headers: str) -> dict[str, Any]:
    query = {} if params is None else {"queryStringParameters": {"params": params}}
    named = {name.replace("_", "-"): value for name, value in {"authorization": "Bearer acme", **headers}.items()}
    return {
        "routeKey": "GET /results/{compute}",
        "pathParameters": {"compute": compute},
        "headers": named,
        "requestContext": {"requestId": "1"},
        **query,
    }


def ask(world: World, *, is_open: bool = False, explains: bool = False, **asked: Any) -> dict[str, Any]:
    return handle(event(**asked), Parts(world, is_open=is_open, explains=explains), now=0.0)


def store(world: World, data: bytes, *, compute: str = "echo", tenant: str = "acme", **result: Any) -> Key:
    key = make_key(Tenant(tenant), world.registry.find(compute), EchoParams())
    stored = make_result(data, computed_at_ms=world.clock(), **result)
    entry = world.model.entry(key)
    entry.result, entry.kept_until_ms = stored, stored.stale_until_ms
    return key


def sized(size: int) -> bytes:
    """Return JSON of so many bytes that compresses to about a half."""
    return b'"' + random.Random(1).randbytes(size // 2).hex().encode()[: size - 2] + b'"'


def test_a_result_is_its_data_alone_with_what_caches_need(world: World) -> None:
    data = b'{"n":1}'
    store(world, data)
    world.clock.advance(2000)
    answer = ask(world)
    assert answer["statusCode"] == 200
    assert answer["body"].encode() == data
    assert answer["headers"] == {
        "content-type": "application/json",
        "etag": f'"{make_etag(data)}"',
        "cache-control": "private, max-age=10, stale-while-revalidate=60, stale-if-error=60",
        "age": "2",
        "vary": "Accept-Encoding, Authorization",
    }


def test_a_result_for_everybody_may_be_kept_by_shared_caches(world: World) -> None:
    store(world, b"1", compute="shared", stale_ms=0)
    assert ask(world, compute="shared")["headers"]["cache-control"] == "public, max-age=10"


def test_where_everybody_may_ask_results_are_public_and_nothing_depends_on_who_asks(world: World) -> None:
    store(world, b"1", tenant="public")
    headers = ask(world, is_open=True)["headers"]
    assert headers["cache-control"].startswith("public, ")
    assert headers["vary"] == "Accept-Encoding"


def test_params_are_json_in_the_query_and_nothing_means_none(world: World) -> None:
    store(world, b"1")
    for params in (None, "", "{}", '{"text":""}'):
        assert ask(world, params=params)["statusCode"] == 200
    assert ask(world, params='{"text":"other"}')["statusCode"] == 202


def test_who_has_the_result_is_told_so(world: World) -> None:
    store(world, b"1")
    first = ask(world)
    for tag in (first["headers"]["etag"], f"W/{first['headers']['etag']}", f'"x", {first["headers"]["etag"]}'):
        answer = ask(world, if_none_match=tag)
        assert answer["statusCode"] == 304
        assert "body" not in answer
        same = ("cache-control", "age", "vary")
        assert [answer["headers"][name] for name in same] == [first["headers"][name] for name in same]
        assert first["headers"]["etag"] in answer["headers"]["etag"]
    assert ask(world, if_none_match="*")["headers"]["etag"] == first["headers"]["etag"]
    assert ask(world, if_none_match='"other"')["statusCode"] == 200


def test_larger_data_are_sent_as_gzip_to_those_who_accept_it(world: World) -> None:
    for size in (1024, 100_000, 1_000_000, 4_000_000):
        data = sized(size)
        store(world, data)
        plain, encoded = ask(world), ask(world, accept_encoding="br, gzip")
        assert encoded["isBase64Encoded"] is True
        assert encoded["headers"]["content-encoding"] == "gzip"
        assert gzip.decompress(base64.b64decode(encoded["body"])) == data
        assert encoded["headers"]["etag"] != plain["headers"]["etag"]
        assert ask(world, if_none_match=encoded["headers"]["etag"])["statusCode"] == 304
        assert "content-encoding" not in plain["headers"]


def test_small_data_are_sent_as_they_are(world: World) -> None:
    store(world, sized(1023))
    answer = ask(world, accept_encoding="gzip")
    assert "content-encoding" not in answer["headers"]
    assert "isBase64Encoded" not in answer


def test_no_answer_is_larger_than_a_function_may_give(world: World) -> None:
    for size in (899_000, 901_000, 4_000_000, 8_000_000):
        for data in (sized(size), '"{}"'.format("\u20ac" * (size // 3)).encode()):
            store(world, data)
            for headers in ({}, {"accept_encoding": "gzip"}):
                answer = ask(world, **headers)
                assert len(json.dumps(answer)) < 6 * 1024 * 1024
                if answer["statusCode"] == 200 and answer.get("isBase64Encoded"):
                    body = base64.b64decode(answer["body"])
                    is_gzip = "content-encoding" in answer["headers"]
                    assert (gzip.decompress(body) if is_gzip else body) == data
                elif answer["statusCode"] == 200:
                    assert answer["body"].encode() == data
                else:
                    assert answer["statusCode"] == 307


def test_what_fits_no_answer_is_fetched_from_a_link(world: World) -> None:
    data = sized(8_000_000)
    key = store(world, data)
    answer = ask(world)
    url = answer["headers"]["location"]
    assert answer["statusCode"] == 307
    assert url.startswith(f"https://s3/payloads/results/tenants/acme/{key.public}/")
    assert json.loads(answer["body"]) == {"url": url}
    assert answer["headers"]["cache-control"] == "no-store"


def test_the_tags_of_a_result_are_told_where_the_deployment_explains_results(world: World) -> None:
    key = store(world, b"[]", tags=("rates", "preise/\u20ac"))
    etag = world.model.entry(key).result.etag

    answers = [ask(world, explains=True), ask(world, explains=True, if_none_match=f'"{etag}"')]

    assert [answer["statusCode"] for answer in answers] == [200, 304]
    for answer in answers:
        assert answer["headers"]["pushaside-tags"].isascii()
        assert json.loads(answer["headers"]["pushaside-tags"]) == ["rates", "preise/\u20ac"]
        assert "pushaside-tags-left-out" not in answer["headers"]


def test_no_tag_is_told_elsewhere(world: World) -> None:
    store(world, b"[]", tags=("rates",))
    assert "pushaside-tags" not in ask(world)["headers"]


def test_tags_that_no_header_has_room_for_are_counted(world: World) -> None:
    tags = tuple(f"{number:0255}" for number in range(255))
    store(world, b"[]", tags=tags)

    headers = ask(world, explains=True)["headers"]

    told = json.loads(headers["pushaside-tags"])
    assert told == list(tags[: len(told)])
    assert len(told) + int(headers["pushaside-tags-left-out"]) == len(tags)
    assert sum(len(name) + len(value) for name, value in headers.items()) < 10_240


def test_what_is_not_there_yet_is_pending(world: World) -> None:
    answer = ask(world)
    assert answer["statusCode"] == 202
    assert json.loads(answer["body"]) == {"status": "pending"}
    assert answer["headers"] == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "retry-after": "1",
    }


def test_a_client_that_prefers_to_wait_is_told_how_long(world: World) -> None:
    started_ms = world.clock()
    pending = ask(world, prefer="wait=5")
    assert world.clock() - started_ms == pytest.approx(5000, abs=20)
    assert (pending["statusCode"], pending["headers"]["preference-applied"]) == (202, "wait=5")
    store(world, b"1")
    assert ask(world, prefer="wait=100")["headers"]["preference-applied"] == "wait=25"
    assert "preference-applied" not in ask(world)["headers"]


def test_a_remembered_failure_is_its_problem_document_for_as_long_as_it_is_remembered(world: World) -> None:
    failure = render_error_object(ComputeFailedError("There is no such city.", code=ErrorCode.NOT_FOUND))
    store(world, failure, status=Status.FAILURE, fresh_ms=2000, stale_ms=0)
    answer = ask(world, if_none_match="*")
    assert answer["statusCode"] == 404
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert answer["headers"]["cache-control"] == "private, max-age=2"
    problem = json.loads(answer["body"])
    assert (problem["code"], problem["detail"]) == ("not_found", "There is no such city.")


def test_a_failure_of_another_version_is_told_all_the_same(world: World) -> None:
    store(world, b'{"code":"later","message":"It is so.","retryable":true}', status=Status.FAILURE)
    answer = ask(world)
    assert (answer["statusCode"], json.loads(answer["body"])["detail"]) == (422, "It is so.")


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"compute": "nothing"}, 404, "unknown_compute"),
        ({"params": "{"}, 422, "invalid_params"),
        ({"params": '{"text":1}'}, 422, "invalid_params"),
        ({"params": "[]"}, 422, "invalid_params"),
        ({"params": '{"text":"\ud800"}'}, 422, "invalid_params"),
        ({"authorization": ""}, 401, "unauthorized"),
        ({"authorization": "Bearer bad"}, 401, "unauthorized"),
    ],
)
def test_what_can_not_be_answered_is_a_problem(world: World, asked: dict[str, str], status: int, code: str) -> None:
    answer = ask(world, **asked)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (status, code)
    assert answer["headers"]["cache-control"] == "no-store"
    assert world.jobs.sent == []


def test_without_redis_or_queue_the_client_is_to_ask_later(world: World) -> None:
    world.model.is_down = True
    answer = ask(world)
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "2")
    world.model.is_down = False
    world.jobs.is_down = True
    answer = ask(world)
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "1")
    assert "SQS" not in answer["body"]


async def test_the_job_of_a_miss_makes_what_is_answered_then(world: World) -> None:
    params = '{"text":"ü"}'
    assert ask(world, params=params)["statusCode"] == 202
    await world.consume_sent()
    assert msgspec.json.decode(ask(world, params=params)["body"])["text"] == "ü"
