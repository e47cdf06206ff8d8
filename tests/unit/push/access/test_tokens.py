"""What the claims of a token must say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from push.access.tokens import LEEWAY_SECONDS, ClaimRules, CredentialRefusedError, Identity, read_identity
from push.callers import MAX_CLAIMS_BYTES
from push.computes import Tenant

NOW = 1_700_000_000.0
GOOD: dict[str, Any] = {"sub": "ada", "tenant": "acme", "exp": NOW + 60}
RULES = ClaimRules(issuer="https://issuer.example", audience="push")


NO_RULES = ClaimRules()


def read(claims: object, rules: ClaimRules = NO_RULES) -> Identity:
    return read_identity(msgspec.json.encode(claims), rules, NOW)


def test_sub_is_the_principal_and_tenant_the_tenant() -> None:
    assert read(GOOD) == Identity(Tenant("acme"), "ada", GOOD)


@pytest.mark.parametrize(
    ("path", "claims"),
    [
        ("custom:tenant", {"custom:tenant": "shop"}),
        ("app_metadata.tenant", {"app_metadata": {"tenant": "shop"}}),
        ("https://example.com/tenant", {"https://example.com/tenant": "shop"}),
        ("https://example.com/app.tenant", {"https://example.com/app": {"tenant": "shop"}}),
        ("a.b.c", {"a": {"b": {"c": "shop"}, "b.c": "shop"}}),
        ("a.b", {"a": {"b": "other"}, "a.b": "shop"}),
    ],
)
def test_a_path_names_the_claim_of_the_tenant_and_of_the_principal(path: str, claims: dict[str, Any]) -> None:
    of_tenant = read({**claims, "exp": NOW + 60, "sub": "ada"}, ClaimRules(tenant_claim=path))
    assert (of_tenant.tenant, of_tenant.principal) == ("shop", "ada")
    of_principal = read({**claims, "exp": NOW + 60, "tenant": "acme"}, ClaimRules(principal_claim=path))
    assert (of_principal.tenant, of_principal.principal) == ("acme", "shop")


@pytest.mark.parametrize("path", ["app_metadata.tenant", "custom:tenant", "tenant.x", "exp.x", "a..b", "."])
def test_a_path_that_matches_nothing_is_refused_by_name(path: str) -> None:
    for rules in (ClaimRules(tenant_claim=path), ClaimRules(principal_claim=path)):
        with pytest.raises(CredentialRefusedError) as caught:
            read({**GOOD, "app_metadata": {}}, rules)
        assert f"no claim `{path}`" in caught.value.message


@pytest.mark.parametrize("value", [5, ["shop"], {"name": "shop"}, True])
def test_a_claim_that_is_no_text_is_refused_by_name(value: object) -> None:
    with pytest.raises(CredentialRefusedError, match=r"`custom:tenant`.* is not a string"):
        read({**GOOD, "custom:tenant": value}, ClaimRules(tenant_claim="custom:tenant"))


def test_with_a_fixed_tenant_no_claim_names_another() -> None:
    rules = ClaimRules(fixed_tenant=Tenant("shop"))
    assert read(GOOD, rules).tenant == "shop"
    assert read({"sub": "ada", "exp": NOW + 60}, rules).tenant == "shop"


def test_all_claims_are_forwarded_or_those_that_were_chosen() -> None:
    claims = {**GOOD, "role": "clerk", "app_metadata": {"plan": "free"}}
    assert read(claims).claims == claims
    chosen = ClaimRules(forwarded=("role", "app_metadata.plan", "absent"))
    assert read(claims, chosen).claims == {"role": "clerk", "app_metadata.plan": "free"}


@pytest.mark.parametrize("text", ['"' * 1900, "é" * 1500], ids=["quotes", "letters of two bytes"])
def test_claims_that_grow_too_large_in_the_authorizers_answer_are_refused(text: str) -> None:
    with pytest.raises(CredentialRefusedError, match="more than 4096 bytes"):
        read({**GOOD, "text": text})


def test_claims_beyond_the_bound_are_refused_and_not_cut() -> None:
    claims = {**GOOD, "groups": ["g" * 40] * 100}
    with pytest.raises(CredentialRefusedError, match=r"more than 4096 bytes.*FORWARDED_CLAIMS"):
        read(claims)
    assert read(claims, ClaimRules(forwarded=("sub",))).claims == {"sub": "ada"}
    longest = MAX_CLAIMS_BYTES - len(msgspec.json.encode({**GOOD, "text": ""}))
    assert len(read({**GOOD, "text": "x" * longest}).claims["text"]) == longest
    with pytest.raises(CredentialRefusedError):
        read({**GOOD, "text": "x" * (longest + 1)})


@pytest.mark.parametrize("claim", sorted(GOOD))
def test_every_one_of_them_is_required(claim: str) -> None:
    with pytest.raises(CredentialRefusedError, match=claim):
        read({name: value for name, value in GOOD.items() if name != claim})


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - LEEWAY_SECONDS},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": None},
        {"nbf": NOW + LEEWAY_SECONDS + 1},
        {"nbf": "now"},
        {"tenant": ""},
        {"tenant": "a/b"},
        {"tenant": "x" * 65},
        {"tenant": "acme\n"},
        {"tenant": 5},
        {"sub": ""},
        {"sub": "a\nb"},
        {"sub": "x" * 257},
        {"sub": ["ada"]},
    ],
    ids=str,
)
def test_claims_that_do_not_hold_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(CredentialRefusedError):
        read({**GOOD, **claims})


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{", b'{"exp": NaN}', b"[" * 100_000], ids=repr)
def test_what_is_no_object_of_claims_is_refused(payload: bytes) -> None:
    with pytest.raises(CredentialRefusedError):
        read_identity(payload, ClaimRules(), NOW)


def test_clocks_may_differ_a_little() -> None:
    assert read({**GOOD, "exp": NOW - LEEWAY_SECONDS + 1, "nbf": NOW + LEEWAY_SECONDS})


def test_issuer_and_audience_are_not_checked_unless_set() -> None:
    assert read({**GOOD, "iss": "anybody", "aud": "anything"})


@pytest.mark.parametrize("audience", ["push", ["other", "push"]], ids=str)
def test_issuer_and_audience_that_fit_are_let_in(audience: object) -> None:
    assert read({**GOOD, "iss": RULES.issuer, "aud": audience}, RULES)


@pytest.mark.parametrize(
    "claims",
    [{"iss": RULES.issuer}, {"aud": "push"}, {"iss": RULES.issuer, "aud": "other"}, {"iss": "x", "aud": "push"}],
    ids=str,
)
def test_issuer_and_audience_that_do_not_fit_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(CredentialRefusedError):
        read({**GOOD, **claims}, RULES)
