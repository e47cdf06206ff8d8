"""What a `$connect` event says: headers, and the credential and Origin among them."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BEARER_SUBPROTOCOL = "bearer."
MAX_CREDENTIAL_CHARACTERS = 8192


class CredentialKind(enum.StrEnum):
    """How a client shows who it is."""

    BEARER = "bearer"
    """A token in the `Authorization` header, which no page in a browser can set for a WebSocket."""
    SUBPROTOCOL = "subprotocol"
    """A token among the offered subprotocols, as `bearer.<token>`."""
    TICKET = "ticket"
    """A one-time ticket in the query string."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client showed; the text is a secret and is never logged."""

    kind: CredentialKind
    text: str

    def __repr__(self) -> str:
        return f"Credential(kind={self.kind.value!r})"


@dataclass(frozen=True, slots=True)
class Handshake:
    """What decides whether a client may connect; `origin` is None unless it was sent."""

    credential: Credential | None
    origin: str | None


def read_handshake(event: Mapping[str, Any]) -> Handshake:
    """Read the event of a REQUEST authorizer."""
    return Handshake(credential=find_credential(event), origin=read_header(event, "Origin") or None)


def find_credential(event: Mapping[str, Any]) -> Credential | None:
    """Return the first credential of an event: header, then subprotocol, then ticket; None if there is none."""
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
    """Return the token of an `Authorization: Bearer` header (RFC 6750, 2.1); empty if it holds none."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _bearer_subprotocol(offered: str) -> str:
    for part in offered.split(","):
        name = part.strip()
        if name.startswith(BEARER_SUBPROTOCOL):
            return name.removeprefix(BEARER_SUBPROTOCOL)
    return ""


def read_header(event: Mapping[str, Any], name: str) -> str:
    """Return a header of an event, all of its values joined by commas; empty if it was not sent.

    WebSocket events carry names as the client wrote them, HTTP events in lower case.
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
    """Say whether a browser on a page of `origin` may connect; origins compare byte for byte (RFC 6454, 5)."""
    return "*" in allowed or origin in allowed
