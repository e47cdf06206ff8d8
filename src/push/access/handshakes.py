"""Parsing of `$connect` events: headers, the credential and the Origin."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

BEARER_SUBPROTOCOL = "bearer."
MAX_CREDENTIAL_CHARACTERS = 8192


class CredentialKind(enum.StrEnum):
    """The place where a client sends its credential."""

    BEARER = "bearer"
    """A token in the `Authorization` header, which a page in a browser can't set for a WebSocket."""
    SUBPROTOCOL = "subprotocol"
    """A token among the offered subprotocols, as `bearer.<token>`."""
    TICKET = "ticket"
    """A one-time ticket in the query string."""


class Credential(msgspec.Struct, frozen=True):
    """A client's credential; the text is a secret and is never logged."""

    kind: CredentialKind
    text: str

    def __repr__(self) -> str:
        return f"Credential(kind={self.kind.value!r})"


class Handshake(msgspec.Struct, frozen=True):
    """The parts of a handshake that decide on access; `origin` is None if it was not sent."""

    credential: Credential | None
    origin: str | None


def read_handshake(event: Mapping[str, Any]) -> Handshake:
    """Parse the event of a REQUEST authorizer."""
    return Handshake(credential=find_credential(event), origin=read_header(event, "Origin") or None)


def find_credential(event: Mapping[str, Any]) -> Credential | None:
    """Return the first credential of an event (header, subprotocol, then ticket), or None."""
    if token := read_bearer(read_header(event, "Authorization")):
        return _bounded(CredentialKind.BEARER, token)
    if token := _bearer_subprotocol(read_header(event, "Sec-WebSocket-Protocol")):
        return _bounded(CredentialKind.SUBPROTOCOL, token)
    if ticket := (event.get("queryStringParameters") or {}).get("ticket"):
        return _bounded(CredentialKind.TICKET, ticket)
    return None


def _bounded(kind: CredentialKind, text: str) -> Credential | None:
    return Credential(kind, text) if len(text) <= MAX_CREDENTIAL_CHARACTERS else None


def read_bearer(authorization: str) -> str:
    """Return the token of an `Authorization: Bearer` header (RFC 6750, 2.1), or an empty string."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _bearer_subprotocol(offered: str) -> str:
    for part in offered.split(","):
        name = part.strip()
        if name.startswith(BEARER_SUBPROTOCOL):
            return name.removeprefix(BEARER_SUBPROTOCOL)
    return ""


def read_header(event: Mapping[str, Any], name: str) -> str:
    """Return the values of an event's header, joined by commas; empty if it was not sent.

    WebSocket events keep the client's spelling of names; HTTP events have them in lower case.
    """
    wanted = name.lower()
    for key, values in (event.get("multiValueHeaders") or {}).items():
        if key.lower() == wanted:
            return _joined(values)
    for key, value in (event.get("headers") or {}).items():
        if key.lower() == wanted:
            return str(value)
    return ""


def _joined(values: Sequence[str]) -> str:
    return ", ".join(values)


def is_origin_allowed(origin: str, allowed: Sequence[str]) -> bool:
    """Return whether a page of `origin` may connect; origins compare byte for byte (RFC 6454, 5)."""
    return "*" in allowed or origin in allowed
