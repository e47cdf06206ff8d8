"""Who may connect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, assert_never

from push.access.handshakes import Credential, CredentialKind, Handshake, is_origin_allowed
from push.access.ports import Tickets, TokenVerifier
from push.access.tokens import ANYBODY, CredentialRefusedError, Identity
from push.errors import ErrorCode, RequestError


class OriginRefusedError(RequestError):
    """The page that opened the connection is of an origin that is not allowed."""

    default_code: ClassVar[ErrorCode] = ErrorCode.FORBIDDEN


class Access(Protocol):
    """A rule of who may connect."""

    def admit(self, handshake: Handshake, now: float) -> Identity:
        """Return who connects; `now` is in seconds since 1970.

        Raises CredentialRefusedError, OriginRefusedError, or TransientError if that can't be found out now.
        """


@dataclass(frozen=True, slots=True)
class OpenAccess:
    """Everybody may connect, and is the same tenant. Origins are checked only if a list is given."""

    origins: Sequence[str]

    def admit(self, handshake: Handshake, now: float) -> Identity:  # noqa: ARG002 - the protocol's
        """See `Access.admit`."""
        if self.origins and handshake.origin is not None:
            _check_origin(handshake.origin, self.origins)
        return ANYBODY


@dataclass(frozen=True, slots=True)
class TokenAccess:
    """Who shows a good token or ticket may connect.

    The Origin is checked too: pages of any site can open WebSockets (OWASP ASVS 5.0, 4.4.2). Only what no page can
    do, setting the `Authorization` header, makes up for a missing one.
    """

    origins: Sequence[str]
    tokens: TokenVerifier
    tickets: Tickets

    def admit(self, handshake: Handshake, now: float) -> Identity:
        """See `Access.admit`."""
        credential = handshake.credential
        if credential is None:
            raise CredentialRefusedError("There is no credential.")
        if handshake.origin is not None:
            _check_origin(handshake.origin, self.origins)
        elif credential.kind is not CredentialKind.BEARER:
            raise OriginRefusedError(f"There is no Origin, and a {credential.kind} credential needs one.")
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
            raise CredentialRefusedError("The ticket is unknown, spent or too old.")
        return identity


def _check_origin(origin: str, allowed: Sequence[str]) -> None:
    if not is_origin_allowed(origin, allowed):
        raise OriginRefusedError(f"The Origin {origin[:200]!r} is not allowed.")
