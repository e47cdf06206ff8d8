"""Rules that decide whether a client may connect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, assert_never

import msgspec

from push.access.handshakes import Credential, CredentialKind, Handshake, is_origin_allowed
from push.access.ports import Tickets, TokenVerifier
from push.access.tokens import ANYBODY, CredentialRefusedError, Identity
from push.errors import ErrorCode, RequestError


class OriginRefusedError(RequestError):
    """The connection comes from a page of an origin that is not allowed."""

    default_code: ClassVar[ErrorCode] = ErrorCode.FORBIDDEN


class Access(Protocol):
    """A rule that decides whether a client may connect."""

    def admit(self, handshake: Handshake, now: float) -> Identity:
        """Return the identity of the client; `now` is in seconds since 1970.

        Raises CredentialRefusedError, OriginRefusedError, or TransientError if a dependency does not answer.
        """


class OpenAccess(msgspec.Struct, frozen=True):
    """Admits every client, all as one tenant. Origins are checked only if a list is given."""

    origins: Sequence[str]

    def admit(self, handshake: Handshake, now: float) -> Identity:  # noqa: ARG002 - the protocol's
        """See `Access.admit`."""
        if self.origins and handshake.origin is not None:
            _check_origin(handshake.origin, self.origins)
        return ANYBODY


class TokenAccess(msgspec.Struct, frozen=True):
    """Admits a client with a valid token or ticket.

    The Origin is checked too, because pages of any site can open WebSockets (OWASP ASVS 5.0, 4.4.2). It may be missing
    only with an `Authorization` header, which no page can set.
    """

    origins: Sequence[str]
    tokens: TokenVerifier
    tickets: Tickets

    def admit(self, handshake: Handshake, now: float) -> Identity:
        """See `Access.admit`."""
        credential = handshake.credential
        if credential is None:
            raise CredentialRefusedError("No credential was sent. Send a token or a ticket.")
        if handshake.origin is not None:
            _check_origin(handshake.origin, self.origins)
        elif credential.kind is not CredentialKind.BEARER:
            raise OriginRefusedError(f"No Origin was sent; a {credential.kind} credential requires one.")
        return self._identify(credential, now)

    def _identify(self, credential: Credential, now: float) -> Identity:
        match credential.kind:
            case CredentialKind.BEARER | CredentialKind.SUBPROTOCOL:
                return self.tokens.verify(credential.text, now)
            case CredentialKind.TICKET:
                return self._spend(credential.text, now)
            case _:
                assert_never(credential.kind)

    def _spend(self, ticket: str, now: float) -> Identity:
        identity = self.tickets.spend(ticket, now)
        if identity is None:
            raise CredentialRefusedError("The ticket is unknown, used or expired. Request another one.")
        return identity


def _check_origin(origin: str, allowed: Sequence[str]) -> None:
    if not is_origin_allowed(origin, allowed):
        raise OriginRefusedError(f"The Origin {origin[:200]!r} is not allowed.")
