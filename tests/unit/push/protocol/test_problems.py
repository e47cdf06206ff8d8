"""Errors as the HTTP API tells them."""

from __future__ import annotations

import json

import pytest

from push.errors import ErrorCode, PushasideError, SourceThrottledError
from push.protocol.problems import STATUSES, render_problem


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_has_a_status(code: ErrorCode) -> None:
    assert STATUSES[code] >= 400


def test_a_problem_has_the_members_of_rfc_9457_and_the_code_of_the_socket() -> None:
    problem = json.loads(render_problem(PushasideError("The token has expired.", code=ErrorCode.UNAUTHORIZED)))
    assert problem == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "The token has expired.",
        "code": "unauthorized",
        "retryable": False,
    }


def test_a_problem_says_when_to_ask_again() -> None:
    assert json.loads(render_problem(SourceThrottledError(retry_after_ms=1500)))["retry_after_ms"] == 1500
