"""REQUEST authorizer of `$connect`: admits a client as a tenant and a principal, or refuses it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from push.access.access import Access, OpenAccess, OriginRefusedError, TokenAccess
from push.access.handshakes import read_handshake
from push.access.tokens import CredentialRefusedError, Identity
from push.adapters.wiring.initialization import initialize
from push.callers import serialize_claims
from push.settings import AuthorizerSettings, read_settings

logger = Logger()


class UnauthorizedError(Exception):
    """Makes API Gateway refuse the handshake with 401, which requires exactly this message."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class AuthorizerParts(msgspec.Struct, frozen=True):
    """The parts of the function, made once per execution environment."""

    access: Access


@cache
def build() -> AuthorizerParts:
    """Make the parts from the environment's variables."""
    copy_config_to_registered_loggers(logger, include={"push"})
    settings = read_settings(AuthorizerSettings, os.environ)
    if settings.auth_mode == "none":
        return AuthorizerParts(OpenAccess(settings.origins))
    # Not loaded where every client is admitted: cryptography and boto3 load slower than everything else together.
    from push.adapters.wiring.token_access import make_tickets, make_verifier

    return AuthorizerParts(TokenAccess(settings.origins, make_verifier(settings), make_tickets(settings)))


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one REQUEST authorizer event."""
    return handle(event, build(), now=time.time())


def handle(event: Mapping[str, Any], parts: AuthorizerParts, *, now: float) -> dict[str, Any]:
    """Return the policy for a handshake: Allow, or Deny (403) for a refused Origin.

    Raises:
        UnauthorizedError: the credential is missing or not valid (401).
        TransientError: the credential cannot be checked now; API Gateway answers 500, and clients retry.

    """
    connection_id = event["requestContext"].get("connectionId")
    try:
        identity = parts.access.admit(read_handshake(event), now)
    except CredentialRefusedError as exc:
        logger.info("refused: %s", exc.message, code=exc.code.value, connection_id=connection_id)
        raise UnauthorizedError from None
    except OriginRefusedError as exc:
        logger.info("refused: %s", exc.message, code=exc.code.value, connection_id=connection_id)
        return _policy("Deny", event["methodArn"], principal="refused")
    return _allow(identity, event["methodArn"])


def _allow(identity: Identity, method_arn: str) -> dict[str, Any]:
    context = {"tenant": identity.tenant, "principal": identity.principal}
    if claims := serialize_claims(identity.claims):
        context["claims"] = claims
    return {**_policy("Allow", method_arn, principal=identity.principal), "context": context}


def _policy(effect: str, method_arn: str, *, principal: str) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": method_arn}
    return {"principalId": principal, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}


initialize(build)
