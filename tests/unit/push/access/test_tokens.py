"""What the claims of a token must say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from push.access.tokens import LEEWAY_SECONDS, ClaimRules, CredentialRefusedError, Identity, read_identity
from push.computes import Tenant

NOW = 1_700_000_000.0
GOOD: dict[str, Any] = {"sub": "ada", "tenant": "acme", "exp": NOW + 60}
RULES = ClaimRules(issuer="https://issuer.example", audience="push")


NO_RULES = ClaimRules()


def read(claims: object, rules: ClaimRules = NO_RULES) -> Identity:
    return read_identity(msgspec.json.encode(claims), rules, NOW)


def test_sub_is_the_principal_and_tenant_the_tenant() -> None:
    assert read(GOOD) == Identity(Tenant("acme"), "ada")


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
