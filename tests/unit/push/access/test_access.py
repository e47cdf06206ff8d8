"""Who is let in: by credential, and by the Origin of the page."""

from __future__ import annotations

from typing import Any

import pytest

from push.access.access import OpenAccess, OriginRefusedError, TokenAccess
from push.access.connections import choose_subprotocol
from push.access.handshakes import CredentialKind, find_credential, read_handshake, read_header
from push.access.tokens import ANYBODY, CredentialRefusedError, Identity
from push.computes import Tenant

NOW = 1_700_000_000.0
ADA = Identity(Tenant("acme"), "ada")
ORIGIN = "https://app.example"
BEARER = {"Authorization": "Bearer good"}
SUBPROTOCOL = {"Sec-WebSocket-Protocol": "pushaside.v1, bearer.good"}


class OneToken:
    """Knows the token `good`."""

    def verify(self, token: str, now: float) -> Identity:
        if token != "good":
            raise CredentialRefusedError("no")
        return ADA


class OneTicket:
    """Knows the ticket `good`, once."""

    def __init__(self) -> None:
        self.is_spent = False

    def issue(self, ticket: str, identity: Identity, now: float) -> None:
        raise AssertionError("not asked for here")

    def spend(self, ticket: str, now: float) -> Identity | None:
        if ticket != "good" or self.is_spent:
            return None
        self.is_spent = True
        return ADA


def event(headers: dict[str, str] | None = None, **query: str) -> dict[str, Any]:
    headers = headers or {}
    return {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        **({"queryStringParameters": query} if query else {}),
    }


@pytest.fixture
def access() -> TokenAccess:
    return TokenAccess((ORIGIN,), OneToken(), OneTicket())


def admit(access: TokenAccess | OpenAccess, headers: dict[str, str] | None = None, **query: str) -> Identity:
    return access.admit(read_handshake(event(headers, **query)), NOW)


class TestTokenAccess:
    @pytest.mark.parametrize("headers", [BEARER, SUBPROTOCOL], ids=str)
    def test_a_good_token_is_let_in(self, access: TokenAccess, headers: dict[str, str]) -> None:
        assert admit(access, {**headers, "Origin": ORIGIN}) == ADA

    def test_a_ticket_is_let_in_once(self, access: TokenAccess) -> None:
        assert admit(access, {"Origin": ORIGIN}, ticket="good") == ADA
        with pytest.raises(CredentialRefusedError):
            admit(access, {"Origin": ORIGIN}, ticket="good")

    def test_without_a_credential_nobody_is_let_in(self, access: TokenAccess) -> None:
        with pytest.raises(CredentialRefusedError):
            admit(access, {"Origin": ORIGIN})

    @pytest.mark.parametrize(
        "headers", [{"Authorization": "Bearer bad"}, {"Sec-WebSocket-Protocol": "bearer.bad"}], ids=str
    )
    def test_a_bad_token_is_not_let_in(self, access: TokenAccess, headers: dict[str, str]) -> None:
        with pytest.raises(CredentialRefusedError):
            admit(access, {**headers, "Origin": ORIGIN})

    def test_a_bad_header_is_not_made_good_by_another_credential(self, access: TokenAccess) -> None:
        with pytest.raises(CredentialRefusedError):
            admit(access, {"Authorization": "Bearer bad", **SUBPROTOCOL, "Origin": ORIGIN}, ticket="good")

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.evil.example"])
    @pytest.mark.parametrize("headers", [BEARER, SUBPROTOCOL], ids=str)
    def test_a_page_of_another_origin_is_not_let_in(
        self, access: TokenAccess, headers: dict[str, str], origin: str
    ) -> None:
        with pytest.raises(OriginRefusedError):
            admit(access, {**headers, "Origin": origin})

    def test_a_refused_origin_spends_no_ticket(self, access: TokenAccess) -> None:
        with pytest.raises(OriginRefusedError):
            admit(access, {"Origin": "https://evil.example"}, ticket="good")
        assert admit(access, {"Origin": ORIGIN}, ticket="good") == ADA

    def test_without_an_origin_the_header_is_let_in(self, access: TokenAccess) -> None:
        assert admit(access, BEARER) == ADA

    def test_without_an_origin_what_a_page_could_send_is_not_let_in(self, access: TokenAccess) -> None:
        with pytest.raises(OriginRefusedError):
            admit(access, SUBPROTOCOL)
        with pytest.raises(OriginRefusedError):
            admit(access, ticket="good")

    def test_with_a_star_any_origin_is_let_in(self) -> None:
        access = TokenAccess(("*",), OneToken(), OneTicket())
        assert admit(access, {**SUBPROTOCOL, "Origin": "https://anywhere.example"}) == ADA


class TestOpenAccess:
    @pytest.mark.parametrize("headers", [{}, BEARER, {"Origin": "https://anywhere.example"}], ids=str)
    def test_everybody_is_let_in_as_the_same(self, headers: dict[str, str]) -> None:
        assert admit(OpenAccess(()), headers) == ANYBODY

    def test_a_list_of_origins_is_kept_to(self) -> None:
        access = OpenAccess((ORIGIN,))
        assert admit(access, {"Origin": ORIGIN}) == ANYBODY
        assert admit(access) == ANYBODY
        with pytest.raises(OriginRefusedError):
            admit(access, {"Origin": "https://evil.example"})


class TestReading:
    @pytest.mark.parametrize("name", ["Origin", "origin", "ORIGIN"])
    def test_header_names_are_read_in_any_case(self, name: str) -> None:
        assert read_header(event({name: ORIGIN}), "Origin") == ORIGIN

    def test_a_header_sent_twice_is_read_as_one_list(self) -> None:
        twice = {"multiValueHeaders": {"Sec-WebSocket-Protocol": ["pushaside.v1", "bearer.good"]}, "headers": {}}
        credential = find_credential(twice)
        assert credential is not None
        assert (credential.kind, credential.text) == (CredentialKind.SUBPROTOCOL, "good")

    @pytest.mark.parametrize("value", ["Bearer good", "bearer  good", "BEARER good "])
    def test_the_scheme_is_read_in_any_case(self, value: str) -> None:
        credential = find_credential(event({"Authorization": value}))
        assert credential is not None
        assert credential.text == "good"

    @pytest.mark.parametrize(
        "unusable",
        [{}, {"Authorization": "Basic good"}, {"Authorization": "Bearer"}, {"Authorization": "good"}],
        ids=str,
    )
    def test_what_is_no_credential_is_none(self, unusable: dict[str, str]) -> None:
        assert find_credential(event(unusable)) is None

    def test_an_endless_credential_is_none(self) -> None:
        assert find_credential(event({"Authorization": "Bearer " + "x" * 10_000})) is None

    def test_a_credential_does_not_show_in_logs(self) -> None:
        assert "good" not in repr(read_handshake(event(BEARER)))

    @pytest.mark.parametrize(
        ("offered", "chosen"),
        [
            ("pushaside.v1", "pushaside.v1"),
            ("bearer.x, pushaside.v1", "pushaside.v1"),
            ("graphql-ws", None),
            ("pushaside.v10", None),
            ("", None),
        ],
    )
    def test_of_the_offered_subprotocols_ours_is_chosen(self, offered: str, chosen: str | None) -> None:
        assert choose_subprotocol(offered) == chosen
