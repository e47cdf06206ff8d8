"""Who may ask, through the handlers as Lambda calls them: results of principals, and the rule `authorize`."""

from __future__ import annotations

import json
from typing import Any

import pytest

import request.results_app
import request.topics_app
from tests.integration.requests import scripted_computes
from tests.integration.requests.stacks import HttpAnswer, Stack, make_token, read_event

ADA = {"sub": "ada", "names": ["a"]}
BOB = {"sub": "bob", "names": ["b"]}


def poll(stack: Stack, compute: str, name: str, claims: dict[str, Any]) -> HttpAnswer:
    """Ask for a result over HTTP."""
    event = read_event("http_requests")
    event |= {"routeKey": "GET /results/{compute}", "pathParameters": {"compute": compute}}
    event["queryStringParameters"] = {"params": json.dumps({"name": name})}
    event["headers"] |= {"authorization": f"Bearer {make_token('acme', **claims)}"}
    request.results_app.build.cache_clear()
    answer = request.results_app.handler(event, None)
    return HttpAnswer(answer["statusCode"], answer["headers"], json.loads(answer["body"]))


def show_topic(name: str, claims: dict[str, Any]) -> HttpAnswer:
    event = read_event("http_requests")
    event |= {"routeKey": "GET /topics/{topic}", "pathParameters": {"topic": name}, "body": None}
    event["headers"] |= {"authorization": f"Bearer {make_token('acme', **claims)}"}
    request.topics_app.build.cache_clear()
    answer = request.topics_app.handler(event, None)
    return HttpAnswer(answer["statusCode"], answer["headers"], json.loads(answer["body"]))


def subscribe(stack: Stack, compute: str, name: str, claims: dict[str, Any], connection_id: str) -> dict[str, Any]:
    message = {"action": "subscribe", "id": "s", "compute": compute, "params": {"name": name}}
    return stack.send(message, connection_id, **claims)


def test_each_principal_has_its_own_result(stack: Stack) -> None:
    for claims, connection_id in ((ADA, "ada="), (BOB, "bob=")):
        assert stack.ask(compute="own", claims=claims, connection_id=connection_id)["type"] == "accepted"
    assert stack.compute() == []
    for claims, connection_id in ((ADA, "ada="), (BOB, "bob=")):
        (pushed,) = stack.pushed(connection_id)
        assert pushed["data"]["principal"] == claims["sub"]
        hit = stack.ask(compute="own", claims=claims, connection_id=connection_id)
        assert (hit["cache"], hit["data"]["principal"]) == ("hit", claims["sub"])
        polled = poll(stack, "own", "", claims)
        assert polled.document["principal"] == claims["sub"]
        assert polled.headers["cache-control"].startswith("private, max-age")


def test_updates_of_one_principals_result_reach_no_other(stack: Stack) -> None:
    for claims, connection_id in ((ADA, "ada="), (BOB, "bob=")):
        assert subscribe(stack, "own", "", claims, connection_id)["type"] == "subscribed"
    assert stack.compute() == []
    stack.fan_out()
    for claims, connection_id in ((ADA, "ada="), (BOB, "bob=")):
        assert [each["data"]["principal"] for each in stack.pushed(connection_id)] == [claims["sub"]]


def test_a_subscription_to_ones_own_result_can_be_ended(stack: Stack) -> None:
    topic = subscribe(stack, "own", "", ADA, "ada=")["topic"]
    assert stack.send({"action": "unsubscribe", "id": "u", "topic": topic}, "ada=", **ADA)["type"] == "unsubscribed"
    assert stack.compute() == []
    stack.fan_out()
    assert stack.pushed("ada=") == []


def test_a_refused_caller_is_not_told_whether_there_is_a_result(stack: Stack) -> None:
    before = stack.ask(compute="guarded", params={"name": "a"}, claims=BOB)
    assert stack.ask(compute="guarded", params={"name": "a"}, claims=ADA)["type"] == "accepted"
    assert stack.compute() == []
    assert stack.ask(compute="guarded", params={"name": "a"}, claims=ADA)["cache"] == "hit"
    refused = stack.ask(compute="guarded", params={"name": "a"}, claims=BOB)
    assert refused == before
    assert refused["error"] == {
        "code": "forbidden",
        "message": "You do not have permission to request guarded with these params.",
        "retryable": False,
    }
    polled = poll(stack, "guarded", "a", BOB)
    assert (polled.status, polled.document["code"]) == (403, "forbidden")
    assert polled.headers["cache-control"] == "no-store"


def test_a_refused_request_costs_no_compute(stack: Stack) -> None:
    stack.ask(compute="guarded", params={"name": "a"}, claims=BOB)
    poll(stack, "guarded", "a", BOB)
    subscribe(stack, "guarded", "a", BOB, "bob=")
    assert stack.receive() == []


def test_the_right_is_asked_at_every_request(stack: Stack) -> None:
    stack.ask(compute="guarded", params={"name": "a"}, claims=ADA)
    stack.compute()
    assert stack.ask(compute="guarded", params={"name": "a"}, claims=ADA)["type"] == "result"
    scripted_computes.revoked.add("ada")
    assert stack.ask(compute="guarded", params={"name": "a"}, claims=ADA)["error"]["code"] == "forbidden"
    assert poll(stack, "guarded", "a", ADA).status == 403
    assert subscribe(stack, "guarded", "a", ADA, "ada=")["error"]["code"] == "forbidden"


def test_no_cache_answers_for_a_guarded_result(stack: Stack) -> None:
    stack.ask(compute="guarded", params={"name": "a"}, claims=ADA)
    stack.compute()
    assert poll(stack, "guarded", "a", ADA).headers["cache-control"] == "private, no-cache"


def test_a_rule_that_fails_refuses_and_is_logged(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    refused = stack.ask(compute="guarded", params={"name": "a"}, claims={"sub": "ada"})
    assert refused["error"]["code"] == "forbidden"
    assert "`authorize` of guarded failed" in caplog.text
    assert "KeyError: 'names'" in caplog.text


def test_an_update_reaches_no_subscriber_whose_right_has_ended(stack: Stack) -> None:
    for principal in ("ada", "eve"):
        claims = {**ADA, "sub": principal}
        topic = subscribe(stack, "guarded", "a", claims, f"{principal}=")["topic"]
    scripted_computes.revoked.add("eve")
    assert stack.compute() == []
    assert stack.fan_out() == []
    assert [each["type"] for each in stack.pushed("ada=")] == ["update"]
    (told,) = stack.pushed("eve=")
    assert (told["type"], told["topic"], set(told)) == ("resync", topic, {"type", "topic", "position"})
    assert subscribe(stack, "guarded", "a", {**ADA, "sub": "eve"}, "eve=")["error"]["code"] == "forbidden"


def test_the_page_of_a_guarded_topic_is_no_hint(stack: Stack) -> None:
    topic = subscribe(stack, "guarded", "a", ADA, "ada=")["topic"]
    for name in (topic, f"guarded@1:{'0' * 32}"):
        refused = show_topic(name, BOB)
        assert (refused.status, refused.document["code"]) == (403, "forbidden")


def test_a_durable_request_is_refused_when_it_is_sent(stack: Stack) -> None:
    document = {"id": "1", "compute": "guarded", "params": {"name": "a"}, "deliver": {"poll": True}}
    refused = stack.call("POST /requests", document, claims=BOB)
    assert (refused.status, refused.document["code"]) == (403, "forbidden")
    assert stack.call("GET /requests/{id}", path="1", claims=BOB).status == 404


def test_a_durable_request_is_answered_with_the_claims_that_it_was_sent_with(stack: Stack) -> None:
    document = {"id": "1", "compute": "guarded", "params": {"name": "a"}, "deliver": {"poll": True}}
    assert stack.call("POST /requests", document, claims=ADA).status == 202
    assert stack.look() == []
    assert stack.compute() == []
    told = stack.call("GET /requests/{id}", path="1", claims=ADA).document
    assert (told["status"], told["result"]["data"]["tenant"]) == ("done", "acme")


def test_a_durable_request_whose_right_has_ended_is_refused_at_its_look(stack: Stack) -> None:
    document = {"id": "1", "compute": "guarded", "params": {"name": "a"}, "deliver": {"poll": True}}
    stack.call("POST /requests", document, claims=ADA)
    scripted_computes.revoked.add("ada")
    assert stack.look() == []
    scripted_computes.revoked.clear()
    told = stack.call("GET /requests/{id}", path="1", claims=ADA).document
    assert (told["status"], told["error"]["code"]) == ("failed", "forbidden")


def test_a_durable_request_whose_right_ends_during_the_compute_is_refused(stack: Stack) -> None:
    document = {"id": "1", "compute": "guarded", "params": {"name": "a"}, "deliver": {"poll": True}}
    stack.call("POST /requests", document, claims=ADA)
    stack.look()
    stack.ask(compute="guarded", params={"name": "a"}, claims={**ADA, "sub": "eve"}, connection_id="eve=")
    scripted_computes.revoked.add("ada")
    assert stack.compute() == []
    scripted_computes.revoked.clear()
    told = stack.call("GET /requests/{id}", path="1", claims=ADA).document
    assert (told["status"], told["error"]["code"]) == ("failed", "forbidden")
    assert [each["type"] for each in stack.pushed("eve=")] == ["result"]


def test_the_answer_of_a_durable_request_is_shown_while_the_reader_has_the_right(stack: Stack) -> None:
    document = {"id": "1", "compute": "guarded", "params": {"name": "a"}, "deliver": {"poll": True}}
    stack.call("POST /requests", document, claims=ADA)
    stack.look()
    stack.compute()
    without = {**ADA, "names": []}
    refused = stack.call("GET /requests/{id}", path="1", claims=without)
    assert (refused.status, refused.document["code"]) == (403, "forbidden")
    assert stack.call("GET /requests/{id}", path="1", claims=ADA).document["status"] == "done"
