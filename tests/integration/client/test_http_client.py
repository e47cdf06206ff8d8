"""Requests without a socket: submitted, polled, and read as resources."""

from __future__ import annotations

import hashlib
import json
import socket
import threading

import pytest

import pushaside
from pushaside import HttpClient, Settings
from pushaside.http.client import Resource, Sns, Webhook
from tests.integration.client.scripted_http import (
    HANG_UP,
    Answer,
    Asked,
    ScriptedHttp,
    etag_of,
    gzipped,
    json_answer,
    problem,
)

QUICK = Settings(backoff_base_seconds=0.01, fetch_attempts=2)
DATA = [{"name": "Zoë"}]
TOPIC = "arn:aws:sns:us-east-1:1:t"
TEXT = json.dumps(DATA).encode()
RESULT = {"type": "result", "id": "r1", "key": "documents@1:ab", "etag": "5f2a", "cache": "miss", "age_ms": 1500}
PENDING = json_answer({"id": "r1", "status": "pending"}, Retry_After="0")
ACCEPTED = json_answer({"id": "r1", "status": "pending"}, 202)


def done(**fields: object) -> Answer:
    return json_answer({"id": "r1", "status": "done", "result": {**RESULT, **fields}, "delivery": {"to": "poll"}})


def elsewhere(bucket: ScriptedHttp) -> Answer:
    return Answer(303, headers={"Location": f"{bucket.url}x"})


def client(service: ScriptedHttp, **options: object) -> HttpClient:
    return HttpClient(service.url, **{"settings": QUICK, **options})


# Submitting


async def test_a_request_is_handed_over_whole() -> None:
    with ScriptedHttp(ACCEPTED) as service:
        accepted = await client(service, token="t1").submit(
            "documents",
            {"ids": ["TX"]},
            deliver=Webhook("https://example.com/hook"),
            id="r1",
            request_deadline=60.0,
            max_age=5,
        )
    (asked,) = service.asked

    assert (accepted.id, accepted.status) == ("r1", "pending")
    assert (asked.method, asked.path) == ("POST", "/requests")
    assert (asked.headers["authorization"], asked.headers["content-type"]) == ("Bearer t1", "application/json")
    assert asked.document == {
        "id": "r1",
        "compute": "documents",
        "params": {"ids": ["TX"]},
        "deliver": {"webhook": "https://example.com/hook"},
        "deadline_ms": 60_000,
        "max_age": 5,
    }


async def test_a_request_is_left_to_be_polled_unless_it_says_otherwise() -> None:
    with ScriptedHttp(ACCEPTED) as service:
        await client(service).submit("documents")
        await client(service).submit("documents", deliver=Sns(TOPIC))

    assert [each.document["deliver"] for each in service.asked] == [
        {"poll": True},
        {"sns": "arn:aws:sns:us-east-1:1:t"},
    ]
    assert "authorization" not in service.asked[0].headers


@pytest.mark.parametrize("trouble", [problem(503, "internal", retryable=True), Answer(502), Answer(429)])
async def test_a_busy_service_is_asked_again_under_the_same_id(trouble: Answer) -> None:
    with ScriptedHttp(trouble, trouble, ACCEPTED) as service:
        await client(service).submit("documents")

    assert len(service.asked) == 3
    assert len({each.document["id"] for each in service.asked}) == 1


async def test_a_connection_that_breaks_is_made_again_once_the_service_was_reached() -> None:
    with ScriptedHttp(ACCEPTED, HANG_UP, ACCEPTED) as service:
        asking = client(service)
        await asking.submit("documents")
        await asking.submit("documents")

    assert len(service.asked) == 3


async def test_nothing_there_fails_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with pytest.raises(pushaside.CannotConnectError, match=r"Nothing answers at 127\.0\.0\.1:\d+: connection refused"):
        await HttpClient(url).submit("documents")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(422, "invalid_params"), pushaside.InvalidParamsError),
        (problem(404, "unknown_compute"), pushaside.UnknownComputeError),
        (problem(401, "unauthorized"), pushaside.UnauthorizedError),
        (json_answer({"message": "Forbidden"}, 403), pushaside.ForbiddenError),
        (Answer(404, b"<html>"), pushaside.NotFoundError),
        (problem(413, "too_large"), pushaside.TooLargeError),
        (Answer(500, b"oh"), pushaside.CannotConnectError),
        (Answer(405, b"oh"), pushaside.CannotConnectError),
        (Answer(200, b"not json"), pushaside.UnreadableResultError),
        (Answer(200, b"[]"), pushaside.UnreadableResultError),
        (Answer(302, headers={"Location": "file:///etc/passwd"}), pushaside.UnreadableResultError),
    ],
)
async def test_what_goes_wrong_is_a_typed_error(answer: Answer, kind: type[Exception]) -> None:
    with ScriptedHttp(answer) as service, pytest.raises(kind):
        await client(service).submit("documents")


async def test_an_error_says_what_the_service_says() -> None:
    answer = problem(429, "rate_limited", retryable=True, retry_after_ms=60_000)
    with (
        ScriptedHttp(answer) as service,
        pytest.raises(pushaside.RateLimitedError, match="It is rate_limited") as caught,
    ):
        await client(service).submit("documents", deadline=5.0)

    assert caught.value.retry_after == 60.0
    assert len(service.asked) == 1


async def test_a_timeout_tells_what_went_wrong_before() -> None:
    hold = threading.Event()
    with ScriptedHttp(problem(503, "internal", retryable=True), Answer(200, b"{}", hold=hold)) as service:
        with pytest.raises(pushaside.RequestTimeoutError, match=r"within 0\.5 s\. Before: It is internal\."):
            await client(service).submit("documents", deadline=0.5)
        hold.set()


# Waiting


async def test_a_request_is_waited_for_by_long_polls() -> None:
    with ScriptedHttp(PENDING, PENDING, done(data=DATA)) as service:
        result = await client(service).wait("r 1/ä", deadline=10.0)

    assert result == pushaside.Result("r1", "documents@1:ab", "5f2a", "miss", 1.5, DATA)
    assert service.asked[0].path == "/requests/r%201%2F%C3%A4?wait=9"


async def test_a_failed_request_raises_its_error() -> None:
    failed = json_answer({"id": "r1", "status": "failed", "error": {"code": "compute_failed", "message": "No."}})
    with ScriptedHttp(failed) as service, pytest.raises(pushaside.ComputeFailedError, match=r"No\."):
        await client(service).wait("r1")


async def test_an_unknown_request_is_not_found() -> None:
    with ScriptedHttp(problem(404, "not_found")) as service, pytest.raises(pushaside.NotFoundError):
        await client(service).wait("r1")


async def test_waiting_ends_at_its_deadline() -> None:
    with ScriptedHttp(PENDING) as service, pytest.raises(pushaside.RequestTimeoutError, match=r"within 0\.3 s"):
        await client(service).wait("r1", deadline=0.3)


async def test_a_service_that_does_not_answer_is_given_up_at_the_deadline() -> None:
    hold = threading.Event()
    with ScriptedHttp(Answer(200, b"{}", hold=hold)) as service:
        with pytest.raises(pushaside.RequestTimeoutError):
            await client(service).wait("r1", deadline=0.2)
        hold.set()


async def test_a_service_that_restarts_while_it_is_waited_for_is_waited_for_too() -> None:
    with ScriptedHttp(PENDING, HANG_UP, Answer(503), done(data=1)) as service:
        assert (await client(service).wait("r1")).data == 1


async def test_a_large_result_is_fetched_where_it_is() -> None:
    with ScriptedHttp(gzipped(TEXT)) as bucket, ScriptedHttp(done(url=f"{bucket.url}x", etag=etag_of(TEXT))) as service:
        result = await client(service, token="t1").wait("r1")

    assert result.data == DATA
    assert "authorization" not in bucket.asked[0].headers


async def test_an_expired_link_is_asked_for_again() -> None:
    with ScriptedHttp(Answer(403), gzipped(TEXT)) as bucket:
        old, new = (done(url=f"{bucket.url}{name}", etag=etag_of(TEXT)) for name in ("old", "new"))
        with ScriptedHttp(old, new) as service:
            assert (await client(service).wait("r1")).data == DATA

    assert [each.path for each in bucket.asked] == ["/old", "/new"]


async def test_links_that_keep_expiring_end_in_an_error() -> None:
    refused = pytest.raises(pushaside.CannotConnectError, match="status 403")
    with ScriptedHttp(Answer(403)) as bucket, ScriptedHttp(done(url=bucket.url)) as service, refused:
        await client(service).wait("r1")
    assert len(service.asked) == 2


async def test_looking_tells_how_delivery_went() -> None:
    attempts = [{"at": "2026-01-01T00:00:00Z", "ms": 12, "status": 503}]
    delivery = {"to": "webhook", "url": "https://example.com", "state": "retrying", "attempts": attempts}
    pending = json_answer({"id": "r1", "status": "pending", "delivery": delivery}, Retry_After="3")
    with ScriptedHttp(pending) as service:
        state = await client(service).look("r1")

    assert (state.status, state.outcome, state.delivery, state.retry_after) == ("pending", None, delivery, 3.0)
    assert service.asked[0].path == "/requests/r1"


@pytest.mark.parametrize(
    "result", [None, [], {}, {"id": "r1", "url": "ftp://x"}, {"id": "r1", "data": 1, "encoding": "x"}]
)
async def test_a_result_that_is_none_is_unreadable(result: object) -> None:
    shown = json_answer({"id": "r1", "status": "done", "result": result})
    with ScriptedHttp(shown) as service, pytest.raises(pushaside.UnreadableResultError):
        await client(service).wait("r1")


# Resources


async def test_a_result_is_a_resource() -> None:
    answer = Answer(200, TEXT, {"ETag": '"5f2a"', "Age": "7", "Content-Type": "application/json"})
    with ScriptedHttp(answer) as service:
        resource = await client(service).result("documents", {"ids": ["TX"]}, deadline=10.0)

    assert resource == Resource(DATA, "5f2a", 7.0)
    assert service.asked[0].path == "/results/documents?params=%7B%22ids%22%3A%5B%22TX%22%5D%7D"
    assert service.asked[0].headers["prefer"] == "wait=9"


async def test_a_resource_has_the_tags_that_the_service_tells() -> None:
    told = {"Pushaside-Tags": '["rates", "prices"]', "Pushaside-Tags-Left-Out": "3"}
    with ScriptedHttp(Answer(200, TEXT, told), Answer(200, TEXT, {"Pushaside-Tags": "[]"})) as service:
        asking = client(service)
        assert (await asking.result("documents")).tags == ("rates", "prices", "... and 3 more")
        assert (await asking.result("documents")).tags == ()


async def test_tags_that_can_not_be_read_are_an_error() -> None:
    told = Answer(200, TEXT, {"Pushaside-Tags": '{"rates":1}'})
    with ScriptedHttp(told) as service, pytest.raises(pushaside.UnreadableResultError):
        await client(service).result("documents")


async def test_a_resource_that_still_holds_is_not_sent_again() -> None:
    known = Resource(DATA, "5f2a", 7.0)
    with ScriptedHttp(Answer(304, headers={"ETag": '"5f2a"', "Age": "9"})) as service:
        assert await client(service).result("documents", known=known) == Resource(DATA, "5f2a", 9.0)

    assert service.asked[0].headers["if-none-match"] == '"5f2a"'


async def test_a_resource_that_is_being_computed_is_waited_for() -> None:
    pending = json_answer({"status": "pending"}, 202, Retry_After="0")
    with ScriptedHttp(pending, gzipped(TEXT)) as service:
        assert (await client(service).result("documents", deadline=10.0)).data == DATA


async def test_a_resource_that_is_elsewhere_is_fetched_there_without_the_token() -> None:
    with ScriptedHttp(gzipped(TEXT)) as bucket, ScriptedHttp(elsewhere(bucket)) as service:
        assert (await client(service, token="t1").result("documents")).data == DATA
    assert "authorization" not in bucket.asked[0].headers


async def test_a_resource_that_was_elsewhere_and_still_holds_is_not_sent_again() -> None:
    same = Answer(304, headers={"Age": "9"})
    with ScriptedHttp(gzipped(TEXT)) as bucket, ScriptedHttp(elsewhere(bucket), same) as service:
        asking = client(service)
        known = await asking.result("documents")
        assert await asking.result("documents", known=known) == Resource(DATA, known.etag, 9.0)

    assert known.etag == hashlib.sha256(TEXT).hexdigest()[:24]
    assert service.asked[1].headers["if-none-match"] == f'"{known.etag}"'
    assert len(bucket.asked) == 1


# The client


async def test_a_token_is_asked_for_before_every_call() -> None:
    tokens = iter(["first", "second"])

    async def get_token() -> str:
        return next(tokens)

    with ScriptedHttp(ACCEPTED) as service:
        asking = client(service, token=get_token)
        await asking.submit("documents")
        await asking.submit("documents")

    assert [each.headers["authorization"] for each in service.asked] == ["Bearer first", "Bearer second"]


async def test_the_secrets_of_webhooks_are_told() -> None:
    with ScriptedHttp(json_answer({"secrets": ["whsec_YQ==", "whsec_Yg=="], "public_keys": []})) as service:
        assert await client(service).webhook_secrets() == ("whsec_YQ==", "whsec_Yg==")
    assert service.asked[0].path == "/webhooks/keys"


CHANGE_ACCEPTED = json_answer({"status": "accepted"}, 202)


async def test_changed_tags_are_told_with_the_scope_of_the_results() -> None:
    with ScriptedHttp(CHANGE_ACCEPTED) as service:
        await client(service, token="t1").changed(["rates", "fees"])
        await client(service).changed(iter(["rates"]), tenant="acme")
        await client(service).changed({"rates"}, scope="all")
    asked = service.asked[0]
    assert (asked.method, asked.path, asked.headers["authorization"]) == ("POST", "/changes", "Bearer t1")
    assert [each.document for each in service.asked] == [
        {"tags": ["rates", "fees"], "scope": "tenant"},
        {"tags": ["rates"], "scope": "tenant", "tenant": "acme"},
        {"tags": ["rates"], "scope": "all"},
    ]


async def test_a_change_is_told_again_until_it_is_accepted() -> None:
    with ScriptedHttp(problem(503, "internal", retryable=True), HANG_UP, CHANGE_ACCEPTED) as service:
        await client(service).changed(["rates"])
    assert [each.document["tags"] for each in service.asked] == [["rates"]] * 3


async def test_a_change_that_the_token_does_not_permit_is_an_error() -> None:
    with ScriptedHttp(problem(403, "forbidden")) as service, pytest.raises(pushaside.ForbiddenError):
        await client(service).changed(["rates"], scope="shared")


async def test_one_string_is_not_taken_for_a_tag_of_each_character() -> None:
    with ScriptedHttp(CHANGE_ACCEPTED) as service, pytest.raises(TypeError, match=r"Pass a list of tags: \['rates'\]"):
        await client(service).changed("rates")
    assert service.asked == []


async def test_the_computes_on_offer_are_told() -> None:
    with ScriptedHttp(json_answer({"computes": [{"name": "orders"}]})) as service:
        assert await client(service).computes() == ({"name": "orders"},)
    assert service.asked[0].path == "/computes"


async def test_an_answer_without_computes_is_unreadable() -> None:
    with ScriptedHttp(json_answer({"computes": {}})) as service, pytest.raises(pushaside.UnreadableResultError):
        await client(service).computes()


@pytest.mark.parametrize("url", ["ws://127.0.0.1/", "127.0.0.1", "http://", "http://[", "http://a b/", "http://é/"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not an HTTP URL"):
        HttpClient(url)


@pytest.mark.parametrize("deadline", [0, -1, float("inf"), float("nan")])
async def test_a_deadline_that_is_none_is_refused(deadline: float) -> None:
    with pytest.raises(ValueError, match="deadline"):
        await HttpClient("http://127.0.0.1:1/").wait("r1", deadline=deadline)


async def test_an_answer_over_the_bound_is_too_large() -> None:
    def answer(_: Asked) -> Answer:
        return Answer(200, b"[" + b" " * 5000 + b"]")

    with ScriptedHttp(script=answer) as service, pytest.raises(pushaside.TooLargeError):
        await client(service, settings=Settings(max_result_bytes=1000)).result("documents")
