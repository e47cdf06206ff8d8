"""The HTTP API of the whole stack does what docs/openapi.yaml says, whatever it is asked (schemathesis)."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import COMMAND, Stack
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    import schemathesis

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[2] / "docs/openapi.yaml"
ANSWERS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
"""The checks of an answer."""


@cache
def read_schema() -> schemathesis.BaseSchema:
    import schemathesis  # loading it would slow every collection

    return schemathesis.openapi.from_path(DOCUMENT)


def test_whatever_is_asked_is_answered_as_documented(stack: Stack, tmp_path: Path) -> None:
    # A process of its own: its cases take seconds to make, which pytest would spend at every collection.
    checks = ",".join((*ANSWERS, "negative_data_rejection"))
    options = ("--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--checks", checks, "--no-color")
    waiting = ("--request-timeout", str(PATIENCE_SECONDS), "--suppress-health-check", "all", "--warnings", "off")
    done = subprocess.run(
        [COMMAND.with_name("schemathesis"), "run", DOCUMENT, "--url", stack.http, *options, *waiting],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Tested: 11$", done.stdout, re.MULTILINE)


@cache
def answer_checks() -> list[Any]:
    from schemathesis.checks import CHECKS

    return CHECKS.get_by_names(ANSWERS)


def ask(stack: Stack, method: str, path: str, **parts: Any) -> Any:
    """Ask what can be answered, and hold the answer to the document."""
    parts = {"path_parameters": {}, "query": {}, "headers": {}, **parts}
    case = read_schema()[path][method].Case(**parts)
    response = case.call(base_url=stack.http, timeout=PATIENCE_SECONDS, allow_redirects=False)
    case.validate_response(response, checks=answer_checks())
    return response


def read_result(stack: Stack, compute: str = "synthetic", headers: dict[str, str] | None = None, **params: Any) -> Any:
    return ask(
        stack,
        "GET",
        "/results/{compute}",
        path_parameters={"compute": compute},
        query={"params": json.dumps(params)},
        headers={"Accept-Encoding": "identity", **(headers or {})},
    )


def test_a_result_is_pending_then_there_then_not_modified(stack: Stack) -> None:
    params = {"seed": uuid.uuid4().hex, "size_bytes": 3000, "work_ms": 300}
    pending = read_result(stack, **params)
    assert pending.status_code == 202
    there = read_result(stack, headers={"Prefer": "wait=20"}, **params)
    assert (there.status_code, len(there.content)) == (200, 3000)
    assert there.headers["preference-applied"] == ["wait=20"]
    tag = there.headers["etag"][0]
    assert read_result(stack, headers={"If-None-Match": tag}, **params).status_code == 304
    encoded = read_result(stack, headers={"Accept-Encoding": "gzip"}, **params)
    assert encoded.headers["content-encoding"] == ["gzip"]
    assert encoded.headers["etag"] != [tag]


def test_a_hundred_callers_cost_one_compute(stack: Stack) -> None:
    before = stack.stats()["computes"].get("synthetic", 0)
    params = {"seed": uuid.uuid4().hex, "work_ms": 1000}
    assert {read_result(stack, **params).status_code for _ in range(100)} <= {200, 202}
    assert read_result(stack, headers={"Prefer": "wait=20"}, **params).status_code == 200
    assert stack.stats()["computes"]["synthetic"] == before + 1


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
def test_a_result_of_megabytes_is_answered_or_linked_to(stack: Stack, accepted: str) -> None:
    headers = {"Prefer": "wait=25", "Accept-Encoding": accepted}
    answer = read_result(stack, headers=headers, size_bytes=5_000_000, seed=uuid.uuid4().hex)
    if accepted == "gzip":
        assert (answer.status_code, len(answer.content)) == (200, 5_000_000)
    else:
        assert answer.status_code == 307


def test_failures_are_problems(stack: Stack) -> None:
    wait = {"Prefer": "wait=20"}
    always = read_result(stack, headers=wait, fail="always", seed=uuid.uuid4().hex)
    assert (always.status_code, always.json()["code"]) == (422, "compute_failed")
    assert read_result(stack, headers=wait, fail="once", seed=uuid.uuid4().hex).status_code == 200
    assert read_result(stack, compute="weather").json()["code"] == "unknown_compute"
    assert read_result(stack, size_bytes="many").json()["code"] == "invalid_params"


@pytest.mark.parametrize("fail", ["never", "always"])
def test_a_request_is_told_of_from_the_beginning_to_the_end(stack: Stack, fail: str) -> None:
    params = {"work_ms": 5000, "fail": fail, "seed": uuid.uuid4().hex}
    body = {"compute": "synthetic", "params": params, "deliver": {"poll": True}}
    accepted = ask(stack, "POST", "/requests", body=body, media_type="application/json")
    named = {"path_parameters": {"id": accepted.json()["id"]}}
    pending = ask(stack, "GET", "/requests/{id}", **named)
    assert (pending.json()["status"], "retry-after" in pending.headers) == ("pending", True)
    settled = ask(stack, "GET", "/requests/{id}", query={"wait": 20}, **named)
    assert settled.json()["status"] == {"never": "done", "always": "failed"}[fail]


def test_the_computes_on_offer_are_as_documented(stack: Stack) -> None:
    computes = ask(stack, "GET", "/computes").json()["computes"]
    assert [each["name"] for each in computes] == ["documents", "leaderboard", "synthetic"]
    synthetic = computes[2]
    assert synthetic["params"]["properties"]["work_ms"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": 20000,
        "default": 0,
    }


def test_keys_and_tickets_are_as_documented(stack: Stack) -> None:
    assert ask(stack, "GET", "/webhooks/keys").status_code == 200
    assert ask(stack, "POST", "/tickets").status_code == 201
