"""Sources are configured in one text, and a verified body names its topic within the namespace given there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push.computes import Tenant
from push.errors import ErrorCode, SettingsError
from push.hooks.sources import HookScheme, HookSource, UnmappedHookError, parse_hook_sources

GITHUB = {"scheme": "github", "tenant": "acme", "topic": "github:{repository.full_name}"}


def source(topic: str, scheme: HookScheme = HookScheme.GITHUB) -> HookSource:
    return HookSource(name="them", scheme=scheme, tenant=Tenant("acme"), topic=topic)


class TestConfiguration:
    def test_each_source_has_a_scheme_a_tenant_and_a_topic(self) -> None:
        assert parse_hook_sources(json.dumps({"github": GITHUB})) == {
            "github": HookSource("github", HookScheme.GITHUB, Tenant("acme"), "github:{repository.full_name}")
        }

    @pytest.mark.parametrize("text", ["", " ", "{}"])
    def test_there_may_be_none(self, text: str) -> None:
        assert parse_hook_sources(text) == {}

    @pytest.mark.parametrize(
        "changed",
        [
            {"scheme": "gitlab"},
            {"tenant": "a/b"},
            {"tenant": ""},
            {"topic": ""},
            {"topic": "no namespace"},
            {"topic": "{anything}:x"},
            {"topic": "names:{open"},
            {"topic": "names:{}"},
            {"topic": "names:a b"},
            {"topic": "names:{header:authorization}"},
            {"secret": "does not belong here"},
        ],
    )
    def test_what_is_unusable_is_an_error_of_the_settings(self, changed: dict[str, str]) -> None:
        with pytest.raises(SettingsError, match="HookSources"):
            parse_hook_sources(json.dumps({"github": {**GITHUB, **changed}}))

    @pytest.mark.parametrize("text", ["[]", "{", '{"a/b": {}}', '{"github": {}}', "7"])
    def test_what_is_not_of_the_form_is_an_error_of_the_settings(self, text: str) -> None:
        with pytest.raises(SettingsError, match="HookSources"):
            parse_hook_sources(text)


class TestTopics:
    @pytest.mark.parametrize(
        ("template", "topic"),
        [
            ("hooks:all", "hooks:all"),
            ("github:{repository.full_name}", "github:acme/rockets"),
            ("github:{repository.id}/{header:x-github-event}", "github:7/push"),
            ("github:{action}:{action}", "github:opened:opened"),
        ],
    )
    def test_braces_are_replaced_by_what_stands_in_the_body(self, template: str, topic: str) -> None:
        body = {"repository": {"full_name": "acme/rockets", "id": 7}, "action": "opened"}
        assert source(template).name_topic(body, {"x-github-event": "push"}) == topic

    @pytest.mark.parametrize(
        "value", ["", "a b", "a{b}", "@", "ü", "x\n", "a" * 129, None, True, 1.5, [], {}, ["a"], {"a": "b"}]
    )
    def test_what_can_not_be_part_of_a_name_is_invalid(self, value: Any) -> None:
        with pytest.raises(UnmappedHookError) as caught:
            source("github:{a.b}").name_topic({"a": {"b": value}}, {})
        assert caught.value.code is ErrorCode.INVALID_MESSAGE

    @pytest.mark.parametrize("body", [None, [], "text", 7, {}, {"a": 7}, {"a": ["b"]}, {"a.b": "x"}])
    def test_a_path_that_leads_nowhere_is_invalid(self, body: Any) -> None:
        with pytest.raises(UnmappedHookError):
            source("github:{a.b}").name_topic(body, {})

    def test_names_that_come_to_be_too_long_are_invalid(self) -> None:
        with pytest.raises(UnmappedHookError):
            source("github:{a}{a}").name_topic({"a": "a" * 65}, {})

    @given(st.text() | st.integers())
    def test_no_sender_leaves_the_namespace(self, value: str | int) -> None:
        try:
            topic = source("github:{a}").name_topic({"a": value}, {})
        except UnmappedHookError:
            return
        assert topic == f"github:{value}"
        assert set(topic).isdisjoint(" #*@{}\n")
