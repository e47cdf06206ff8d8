"""Frames: the JSON of the protocol, whatever is in them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push.errors import CODES, ErrorCode, PushasideError, RequestError
from push.protocol.frames import (
    CacheState,
    render_accepted,
    render_error,
    render_error_object,
    render_result,
    render_welcome,
)
from push.results import Status
from tests.builders.results import NOW_MS, make_result, unique_key

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(IDS, JSON, st.sampled_from(CacheState))
def test_a_result_carries_its_data_as_it_is_stored(request_id: str, value: object, cache: CacheState) -> None:
    key, result = unique_key(), make_result(json.dumps(value, ensure_ascii=False).encode())
    frame = json.loads(render_result(request_id, key, result, cache, NOW_MS + 7))
    assert frame == {
        "type": "result",
        "id": request_id,
        "key": key.public,
        "etag": result.etag,
        "cache": cache.value,
        "age_ms": 7,
        "data": value,
    }


def test_an_age_is_never_negative_though_clocks_differ() -> None:
    assert json.loads(render_result("1", unique_key(), make_result(), CacheState.HIT, NOW_MS - 50))["age_ms"] == 0


def test_a_failure_is_an_error() -> None:
    stored = render_error_object(RequestError("Gone.", code=ErrorCode.NOT_FOUND))
    result = make_result(stored, status=Status.FAILURE)
    assert json.loads(render_result("1", unique_key(), result, CacheState.HIT, NOW_MS)) == {
        "type": "error",
        "id": "1",
        "error": {"code": "not_found", "message": "Gone.", "retryable": False},
    }


@given(IDS)
def test_accepted_carries_the_id(request_id: str) -> None:
    assert json.loads(render_accepted(request_id)) == {"type": "accepted", "id": request_id}


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_says_whether_asking_again_can_help(code: ErrorCode) -> None:
    error = json.loads(render_error("1", PushasideError(code=code)))["error"]
    assert error == {"code": code.value, "message": CODES[code].sentence, "retryable": CODES[code].retryable}


def test_an_error_says_when_to_ask_again_if_it_is_known() -> None:
    error = json.loads(render_error("1", PushasideError(code=ErrorCode.RATE_LIMITED, retry_after_ms=0)))["error"]
    assert error["retry_after_ms"] == 0


def test_an_error_without_an_id_has_no_member_for_it() -> None:
    assert "id" not in json.loads(render_error(None, PushasideError()))


def test_welcome_tells_session_and_limits() -> None:
    frame = json.loads(render_welcome('"', "s", 6600))
    assert (frame["type"], frame["id"], frame["session"]) == ("welcome", '"', "s")
    assert frame["limits"] == {"frame_bytes": 32_768, "message_bytes": 131_072}
    assert frame["reconnect_after_seconds"] == 6600
