"""Namespaces: the options and permissions of topics, and the document that ships with them."""

from __future__ import annotations

import json

import pytest

from push.adapters.wiring.shipped_namespaces import shipped_namespaces
from push.callers import ANYBODY_PRINCIPAL, ANYBODY_TENANT
from push.computes import Tenant
from push.errors import ErrorCode, RequestError, SettingsError
from push.keys import hash_principal
from push.topics.namespaces import Namespace, Namespaces, parse_namespaces
from push.topics.topics import Topic

ACME, GLOBEX = Tenant("acme"), Tenant("globex")
LIVE = f"board@1:{'0' * 32}"


def parse(*namespaces: dict[str, object]) -> Namespaces:
    return parse_namespaces(json.dumps(namespaces).encode())


def may(namespace: Namespace, what: str, principal: str, topic: Topic | None = None, tenant: Tenant = ACME) -> bool:
    check = namespace.check_subscribe if what == "subscribe" else namespace.check_publish
    try:
        check(topic or Topic(ACME, "news:1"), tenant, principal)
    except RequestError as refused:
        return refused.code is not ErrorCode.FORBIDDEN
    return True


def test_only_its_principal_may_subscribe_to_a_live_result_of_its_own() -> None:
    topic = Topic(ACME, LIVE, hash_principal("ada"))
    assert may(Namespace("*"), "subscribe", "ada", topic)
    assert not may(Namespace("*"), "subscribe", "bob", topic)
    assert not may(Namespace("*"), "subscribe", "ada", topic, GLOBEX)


def test_the_first_namespace_that_matches_counts() -> None:
    namespaces = parse({"match": "prices:eur"}, {"match": "prices:*", "history_size": 7}, {"match": "*"})
    found = [namespaces.find(Topic(ACME, name)).match for name in ("prices:eur", "prices:eur/1", "prices2:eur")]
    assert found == ["prices:eur", "prices:*", "*"]


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("a.b:*", "a.b:x", True),
        ("a.b:*", "a-b:x", False),
        ("*:public/*", "any:public/x", True),
        ("*:public/*", "any:private/x", False),
        ("*@*", LIVE, True),
        ("*@*", "prices:eur", False),
        ("prices:", "prices:eur", False),
    ],
)
def test_a_star_stands_for_any_characters_and_all_else_for_itself(pattern: str, name: str, matches: bool) -> None:
    assert Namespace(pattern).matches(name) is matches


@pytest.mark.parametrize(
    ("who", "allowed"),
    [
        ("anybody", {"anna", "robot", ANYBODY_PRINCIPAL}),
        ("tenant", {"anna", "robot"}),
        ("nobody", set()),
        (("robot",), {"robot"}),
        (("robot", ANYBODY_PRINCIPAL), {"robot", ANYBODY_PRINCIPAL}),
        ((), set()),
    ],
)
@pytest.mark.parametrize("what", ["subscribe", "publish"])
def test_only_those_named_may(what: str, who: object, allowed: set[str]) -> None:
    namespace = parse({"match": "*", what: who}).find(Topic(ACME, "news:1"))
    assert {each for each in ("anna", "robot", ANYBODY_PRINCIPAL) if may(namespace, what, each)} == allowed


def test_another_tenants_topic_is_nobodys() -> None:
    namespace = Namespace("*", subscribe="anybody", publish="anybody")
    for what in ("subscribe", "publish"):
        assert not may(namespace, what, "anna", Topic(ACME, "news:1"), GLOBEX)
        assert not may(namespace, what, "anna", Topic(None, "news:1"))


def test_live_results_are_subscribed_to_and_never_published_to() -> None:
    namespace = Namespace("*", subscribe="anybody", publish="anybody")
    for scope in (ACME, None):
        assert may(namespace, "subscribe", "anna", Topic(scope, LIVE))
        assert not may(namespace, "publish", "anna", Topic(scope, LIVE))


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"{", "topics.json is invalid"),
        (b"[]", 'must end with a namespace that matches "*"'),
        (b'[{"match":"a:*"}]', 'must end with a namespace that matches "*"'),
        (b'[{"match":"a:*"},{"match":"a:*"},{"match":"*"}]', 'several namespaces that match "a:*"'),
        (b'[{"match":"*"},{"match":"*"}]', 'several namespaces that match "*"'),
        (b'[{"match":"*","histroy_size":1}]', "unknown field `histroy_size`"),
        (b'[{"match":"*","history_size":0}]', "$[0].history_size"),
        (b'[{"match":"*","history_seconds":1}]', "$[0].history_seconds"),
        (b'[{"match":"*","publish":"everybody"}]', "'everybody'"),
        (b'[{"match":"*","publish":[7]}]', "$[0].publish[0]"),
        (b'[{"history_size":1}]', "match"),
    ],
)
def test_a_document_that_does_not_fit_is_refused_with_a_sentence(document: bytes, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_namespaces(document)
    assert sentence in refused.value.message
    assert refused.value.message.endswith(".")


def test_what_ships_is_usable() -> None:
    public = Tenant(ANYBODY_TENANT)
    demo, prices, other, live = (
        shipped_namespaces().find(Topic(public, name)) for name in ("demo:1", "prices:eur", "news:1", LIVE)
    )
    assert (demo.presence, live.patches, live.match) == (True, True, "*@*")
    for namespace in (demo, prices, other):
        for what in ("subscribe", "publish"):
            assert may(namespace, what, ANYBODY_PRINCIPAL, Topic(public, "any:1"), public)
    assert not may(prices, "publish", "anna")
    assert may(prices, "publish", "publisher")
