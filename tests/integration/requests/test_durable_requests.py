"""Durable requests through the handlers as Lambda calls them: accepted, asked for, settled, and told of."""

from __future__ import annotations

import base64
import gzip
import json
import time
import urllib.request
import uuid
from typing import Any

import pytest

from compute.synthetic import make_content
from push.computes import Tenant
from push.durable.requests import parse_webhook_job, request_name
from push.durable.webhook_endpoints import endpoint_name
from push.durable.webhook_keys import public_keys
from push.protocol.payloads import LINK_FROM_BYTES
from tests.integration.requests.stacks import WEBHOOK_SECRET, HttpAnswer, Stack

HOOK = "https://receiver.example.com/hook"
TOPIC = "arn:aws:sns:us-east-1:123456789012:results"


def post(
    stack: Stack,
    request_id: str | None = "1",
    *,
    tenant: str = "acme",
    claims: dict[str, Any] | None = None,
    **members: object,
) -> HttpAnswer:
    document = {"compute": "scripted", "deliver": {"poll": True}, **members}
    named = document if request_id is None else {"id": request_id, **document}
    return stack.call("POST /requests", named, tenant=tenant, claims=claims)


def show(stack: Stack, request_id: str = "1", **changes: Any) -> HttpAnswer:
    return stack.call("GET /requests/{id}", path=request_id, **changes)


def settle(stack: Stack) -> None:
    """Have what was sent looked at and computed."""
    assert stack.look() == []
    assert stack.compute() == []


def queued_webhooks(stack: Stack) -> list[str]:
    return [parse_webhook_job(record["body"]).id for record in stack.receive("webhook")]


def test_a_request_is_accepted_computed_and_told_of(stack: Stack) -> None:
    accepted = post(stack, params={"name": "a"})
    assert (accepted.status, accepted.document) == (202, {"id": "1", "status": "pending"})
    assert accepted.headers["location"] == "/requests/1"
    pending = show(stack)
    assert (pending.status, pending.document["status"], pending.headers["retry-after"]) == (200, "pending", "1")
    settle(stack)
    told = show(stack)
    assert "retry-after" not in told.headers
    assert told.document["status"] == "done"
    assert told.document["compute"] == "scripted"
    assert told.document["delivery"] == {"to": "poll"}
    assert told.document["accepted_at"] <= told.document["settled_at"]
    assert told.document["result"]["type"] == "result"
    assert told.document["result"]["data"]["tenant"] == "acme"


def test_principals_of_a_tenant_neither_read_nor_squat_each_others_requests(stack: Stack) -> None:
    post(stack, params={"name": "adas"})
    bob = {"sub": "bob"}
    refused = show(stack, claims=bob)
    assert (refused.status, refused.document["code"]) == (404, "not_found")
    assert refused.document == show(stack, "never-sent", claims=bob).document
    taken = post(stack, params={"name": "bobs", "size_bytes": 5}, claims=bob)
    assert (taken.status, taken.document) == (202, {"id": "1", "status": "pending"})
    settle(stack)
    sizes = [len(show(stack, claims=claims).document["result"]["data"]["padding"]) for claims in (None, bob)]
    assert sizes == [0, 5]


def test_a_stored_result_answers_at_the_first_look(stack: Stack) -> None:
    stack.ask(params={"name": "a"})
    stack.compute()
    post(stack, params={"name": "a"})
    assert stack.look() == []
    assert show(stack).document["result"]["cache"] == "hit"
    assert stack.receive("request") == []


def test_a_failure_is_told_as_an_error(stack: Stack) -> None:
    post(stack, params={"failure": "absent"})
    settle(stack)
    told = show(stack).document
    assert (told["status"], told["error"]["code"]) == ("failed", "not_found")
    assert "result" not in told


def test_a_webhook_is_handed_to_its_queue_once_it_is_settled(stack: Stack) -> None:
    post(stack, deliver={"webhook": HOOK})
    assert show(stack).document["delivery"] == {"to": "webhook", "url": HOOK, "state": "waiting", "attempts": []}
    settle(stack)
    assert queued_webhooks(stack) == ["1"]


def test_all_that_is_left_after_a_death_is_the_message(stack: Stack) -> None:
    post(stack, deliver={"webhook": HOOK})
    (message,) = stack.receive("request")
    stack.look([message])
    stack.environments.begin()
    stack.redis.run("FLUSHALL")
    for queue in ("compute", "request"):
        stack.sqs.purge_queue(QueueUrl=stack.queues[queue])
    stack.aws.client("dynamodb").delete_item(
        TableName=stack.aws.tables["requests"], Key={"request": {"S": request_name(Tenant("acme"), "ada", "1")}}
    )
    stack.look([message])
    stack.compute()
    assert show(stack).document["status"] == "done"
    assert queued_webhooks(stack) == ["1"]


@pytest.mark.parametrize("size_bytes", [LINK_FROM_BYTES - 1, LINK_FROM_BYTES, 5 * 1024 * 1024])
def test_a_large_result_is_linked_to(stack: Stack, size_bytes: int) -> None:
    stack.configure(ALLOW_SYNTHETIC="true")
    post(stack, compute="synthetic", params={"size_bytes": size_bytes})
    settle(stack)
    result = show(stack).document["result"]
    assert "data" not in result
    with urllib.request.urlopen(result["url"], timeout=10) as answer:
        assert gzip.decompress(answer.read()) == make_content(size_bytes, 0)


def test_params_that_fit_no_queue_message_are_no_obstacle(stack: Stack) -> None:
    name = "".join(uuid.uuid4().hex for _ in range(65_536))
    assert post(stack, params={"name": name}).status == 202
    settle(stack)
    assert show(stack).document["status"] == "done"


def test_who_waits_has_the_answer_as_soon_as_it_is_there(stack: Stack) -> None:
    post(stack)
    settle(stack)
    began_at = time.monotonic()
    assert show(stack, queryStringParameters={"wait": "20"}).document["status"] == "done"
    assert time.monotonic() - began_at < 5


def test_who_waits_is_told_in_time_that_it_is_pending(stack: Stack) -> None:
    post(stack)
    began_at = time.monotonic()
    assert show(stack, queryStringParameters={"wait": "0.5"}).document["status"] == "pending"
    assert 0.4 < time.monotonic() - began_at < 5


@pytest.mark.parametrize("wait", ["-1", "26", "nan", "inf", "soon", "", "1,2"])
def test_no_other_time_can_be_waited_for(stack: Stack, wait: str) -> None:
    post(stack)
    refused = show(stack, queryStringParameters={"wait": wait})
    assert (refused.status, refused.document["code"]) == (400, "invalid_message")


def test_a_request_is_seen_by_its_tenant_only(stack: Stack) -> None:
    post(stack)
    refused = show(stack, tenant="globex")
    assert (refused.status, refused.document["code"]) == (404, "not_found")
    assert refused.document == show(stack, "nowhere").document
    assert post(stack, tenant="globex", params={"name": "its own"}).status == 202


def test_a_repeated_request_is_accepted_with_its_status_and_another_is_refused(stack: Stack) -> None:
    post(stack)
    settle(stack)
    again = post(stack)
    assert (again.status, again.document) == (202, {"id": "1", "status": "done"})
    refused = post(stack, params={"name": "other"})
    assert (refused.status, refused.document["code"]) == (422, "invalid_params")


def test_an_idempotency_key_names_a_request(stack: Stack) -> None:
    document = {"compute": "scripted", "deliver": {"poll": True}}
    answers = [stack.call("POST /requests", document, headers={"idempotency-key": "order 17"}) for _ in range(2)]
    assert answers[0].document == answers[1].document
    assert answers[0].document["id"].startswith("ik-")
    assert len(stack.receive("request")) == 1


def test_a_location_leads_to_any_id(stack: Stack) -> None:
    accepted = post(stack, "Zürich #1?")
    assert accepted.headers["location"] == "/requests/Z%C3%BCrich%20%231%3F"
    assert show(stack, "Zürich #1?").status == 200


def test_a_body_in_base64_is_read(stack: Stack) -> None:
    body = base64.b64encode(json.dumps({"compute": "scripted", "deliver": {"poll": True}, "id": "1"}).encode()).decode()
    assert stack.call("POST /requests", body, isBase64Encoded=True).status == 202
    assert stack.call("POST /requests", "%%%", isBase64Encoded=True).document["code"] == "invalid_json"


@pytest.mark.parametrize(
    ("members", "status", "code"),
    [
        ({"compute": "nothing"}, 404, "unknown_compute"),
        ({"params": {"size_bytes": "x"}}, 422, "invalid_params"),
        ({"deliver": {}}, 400, "invalid_message"),
        ({"deliver": {"webhook": "http://127.0.0.1/"}}, 422, "invalid_params"),
        ({"deliver": {"webhook": "https://169.254.169.254/latest/meta-data"}}, 422, "invalid_params"),
        ({"deliver": {"sns": TOPIC}}, 403, "forbidden"),
        ({"id": "a/b"}, 400, "invalid_message"),
        ({"deadline_ms": 0}, 400, "invalid_message"),
    ],
    ids=str,
)
def test_what_can_not_be_done_is_a_problem_and_leaves_nothing(
    stack: Stack, members: dict[str, Any], status: int, code: str
) -> None:
    refused = post(stack, None, **members)
    assert (refused.status, refused.document["status"], refused.document["code"]) == (status, status, code)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.document["detail"].endswith(".")
    assert stack.receive("request") == stack.aws.rows("requests") == []


@pytest.mark.parametrize("body", ["", "{", '{"params":' + "[" * 200_000], ids=["empty", "cut off", "deep"])
def test_what_is_not_json_is_a_problem(stack: Stack, body: str) -> None:
    refused = stack.call("POST /requests", body)
    assert (refused.status, refused.document["code"]) == (400, "invalid_json")


def test_another_media_type_is_a_problem(stack: Stack) -> None:
    refused = stack.call("POST /requests", "a=b", headers={"content-type": "application/x-www-form-urlencoded"})
    assert (refused.status, refused.document["code"]) == (415, "invalid_message")


def test_a_topic_that_is_allowed_is_taken(stack: Stack) -> None:
    stack.configure(SNS_TOPIC_ARNS=TOPIC)
    assert post(stack, deliver={"sns": TOPIC}).status == 202
    assert show(stack).document["delivery"] == {"to": "sns", "arn": TOPIC, "state": "waiting", "attempts": []}


def test_a_disabled_webhook_is_refused_with_the_reason(stack: Stack) -> None:
    now = str(time.time_ns() // 1_000_000)
    stack.aws.client("dynamodb").put_item(
        TableName=stack.aws.tables["webhooks"],
        Item={
            "endpoint": {"S": endpoint_name(Tenant("acme"), HOOK)},
            "url": {"S": HOOK},
            "failing_since": {"N": now},
            "failures": {"N": "1"},
            "disabled_at": {"N": now},
            "reason": {"S": "The receiver answered 410 Gone."},
        },
    )
    refused = post(stack, deliver={"webhook": HOOK})
    assert (refused.status, refused.document["code"]) == (403, "forbidden")
    assert "410 Gone" in refused.document["detail"]
    assert post(stack, deliver={"webhook": HOOK}, tenant="globex").status == 202


def test_a_queue_that_takes_nothing_has_the_caller_ask_again_and_nothing_exist(stack: Stack) -> None:
    stack.configure(REQUEST_QUEUE_URL=f"{stack.queues['request']}-not")
    refused = post(stack)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert "SQS" not in json.dumps(refused.document)
    assert stack.aws.rows("requests") == []


def test_a_table_that_takes_nothing_has_the_caller_ask_again(stack: Stack) -> None:
    stack.configure(REQUESTS_TABLE="absent")
    assert post(stack, None).status == 503


def test_a_tenants_keys_are_its_own(stack: Stack) -> None:
    keys = stack.call("GET /webhooks/keys").document
    expected = public_keys([WEBHOOK_SECRET.encode()], Tenant("acme"))
    assert (keys["secrets"], keys["public_keys"]) == (list(expected.secrets), list(expected.public_keys))
    assert stack.call("GET /webhooks/keys", tenant="globex").document["secrets"] != keys["secrets"]


@pytest.mark.parametrize("route", ["POST /requests", "GET /requests/{id}", "GET /webhooks/keys"])
def test_nothing_is_told_without_a_token(stack: Stack, route: str) -> None:
    refused = stack.call(route, {}, path="1", headers={"authorization": "Basic abc"})
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
