"""Tags that callers raise: what a body may say, and how far a right reaches."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from push.computes import Tenant
from push.errors import ErrorCode, RequestError
from push.results import is_storable
from push.sources.raised_tags import (
    MAX_TAGS,
    ChangeRight,
    RaisedTags,
    group_of,
    parse_raised_tags,
    permit,
    read_change_right,
    serialize_raised_tags,
)
from push.tags import ALL_SCOPES, MAX_TAG_BYTES

ACME = Tenant("acme")
OWN = RaisedTags(("rates",))
GLOBEX = RaisedTags(("rates",), tenant="globex")
SHARED = RaisedTags(("rates",), scope="shared")
ALL = RaisedTags(("rates",), scope="all")


def refusal(call: Any, *arguments: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        call(*arguments)
    return caught.value


def test_a_body_names_tags_and_by_default_no_more() -> None:
    assert parse_raised_tags(b'{"tags":["rates","invoices/ann"]}') == RaisedTags(("rates", "invoices/ann"))


def test_unknown_members_are_ignored() -> None:
    assert parse_raised_tags(b'{"tags":["rates"],"why":"an import"}') == OWN


def test_the_longest_tag_is_the_longest_that_a_result_can_have() -> None:
    longest = "é" * (MAX_TAG_BYTES // 2) + "x"
    assert parse_raised_tags(json.dumps({"tags": [longest]})).tags == (longest,)
    assert is_storable((longest,), 0)
    assert not is_storable((longest + "x",), 0)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[]", "The body does not name changed tags: Expected `object`, got `array`."),
        (b"{}", "The body does not name changed tags: Object missing required field `tags`."),
        (b'{"tags":"rates"}', "Expected `array`, got `str`"),
        (b'{"tags":[]}', "length >= 1"),
        (b'{"tags":[""]}', "length >= 1"),
        (b'{"tags":[7]}', "Expected `str`, got `int`"),
        (json.dumps({"tags": ["x"] * (MAX_TAGS + 1)}).encode(), "length <= 100"),
        (json.dumps({"tags": ["é" * 128]}).encode(), "A tag has at most 255 bytes of UTF-8."),
        (b'{"tags":["rates","@Orders#id=1"]}', "The tag '@Orders#id=1' begins with `@`, as only Pushaside's own do."),
        (b'{"tags":["rates"],"scope":"everything"}', "Invalid enum value"),
        (b'{"tags":["rates"],"tenant":7}', "Expected `str`, got `int`"),
        (b'{"tags":["rates"],"scope":"all","tenant":"acme"}', "The scope `all` takes no `tenant`."),
    ],
)
def test_a_body_of_another_form_is_refused_with_the_reason(body: bytes, sentence: str) -> None:
    error = refusal(parse_raised_tags, body)
    assert error.code is ErrorCode.INVALID_MESSAGE
    assert sentence in error.message


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"tags":["\\ud800"]}', b'{"a":' + b"[" * 100_000])
def test_what_is_no_json_is_called_so(body: bytes) -> None:
    assert refusal(parse_raised_tags, body).code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize("raised", [GLOBEX, SHARED, ALL])
def test_a_message_is_read_as_it_was_written(raised: RaisedTags) -> None:
    assert parse_raised_tags(serialize_raised_tags(raised)) == raised


def test_a_message_has_no_characters_that_sqs_refuses() -> None:
    raised = RaisedTags(("a\x00\ufffe\uffff",), tenant="acme")
    message = serialize_raised_tags(raised)
    assert message.isascii()
    assert parse_raised_tags(message) == raised


def test_tenants_and_the_other_scopes_are_message_groups() -> None:
    assert [group_of(each) for each in (GLOBEX, SHARED, ALL)] == ["globex", "shared", "all"]


@pytest.mark.parametrize("right", ChangeRight)
def test_the_tags_are_the_callers_own_by_default(right: ChangeRight) -> None:
    assert permit(OWN, ACME, right).tag_scope == ACME
    assert permit(RaisedTags(("rates",), tenant="acme"), ACME, right).tag_scope == ACME


def test_who_may_raise_all_tags_names_their_scope() -> None:
    scopes = [permit(each, ACME, ChangeRight.ALL).tag_scope for each in (GLOBEX, SHARED, ALL)]
    assert scopes == ["globex", None, ALL_SCOPES]


@pytest.mark.parametrize("raised", [GLOBEX, SHARED, ALL])
def test_the_right_to_ones_own_tags_reaches_no_others(raised: RaisedTags) -> None:
    error = refusal(permit, raised, ACME, ChangeRight.TENANT)
    assert error.code is ErrorCode.FORBIDDEN
    assert error.message == "Your token permits raising the tags of your own tenant only."


@pytest.mark.parametrize("tenant", ["", "*", "a/b", "x" * 65, "acme\n"])
def test_a_tenant_has_a_tenants_name(tenant: str) -> None:
    error = refusal(permit, msgspec.structs.replace(OWN, tenant=tenant), ACME, ChangeRight.ALL)
    assert (error.code, error.message) == (
        ErrorCode.INVALID_MESSAGE,
        "`tenant` is not 1 to 64 letters, digits, `_`, `.` and `-`.",
    )


def test_the_right_is_a_claim_at_a_path() -> None:
    assert read_change_right({"changes": "tenant"}, "changes") is ChangeRight.TENANT
    assert read_change_right({"app": {"changes": "all"}}, "app.changes") is ChangeRight.ALL


@pytest.mark.parametrize("claims", [{}, {"changes": "ALL"}, {"changes": ""}, {"changes": True}, {"changes": ["all"]}])
def test_any_other_claim_grants_nothing(claims: dict[str, Any]) -> None:
    error = refusal(read_change_right, claims, "changes")
    assert error.code is ErrorCode.FORBIDDEN
    assert error.message == ("Your token does not permit raising tags: its claim `changes` must be `tenant` or `all`.")
