"""Composition root of authentication: builds token verifiers and ticket stores for the authorizer and the HTTP API."""

from __future__ import annotations

from functools import partial

from push.access.tokens import ClaimRules
from push.adapters.aws.clients import make_client
from push.adapters.dynamodb.tickets import DynamoDbTickets
from push.adapters.secrets.token_keys import fetch_secrets
from push.adapters.tokens.cached_keys import CachedKeys
from push.adapters.tokens.jwks_keys import fetch_jwks
from push.adapters.tokens.pyjwt import KeySource, PyJwtVerifier
from push.computes import Tenant
from push.errors import RequestError, SettingsError
from push.keys import parse_tenant
from push.settings import AuthorizerSettings, TokenSettings, split_list

READ_TIMEOUT_SECONDS = 1.0
"""Handshakes wait for these calls, so three tries must end before the function's timeout of ten seconds."""


def make_verifier(settings: TokenSettings) -> PyJwtVerifier:
    """Build the verifier of tokens: by the JWKS if its URL is set, else by the shared secret.

    Raises:
        SettingsError: neither is set, or FIXED_TENANT is not a tenant's name.

    """
    return PyJwtVerifier(_make_keys(settings), _make_rules(settings))


def _make_rules(settings: TokenSettings) -> ClaimRules:
    return ClaimRules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        tenant_claim=settings.tenant_claim,
        principal_claim=settings.principal_claim,
        fixed_tenant=_read_fixed_tenant(settings.fixed_tenant),
        forwarded=split_list(settings.forwarded_claims),
    )


def _read_fixed_tenant(text: str) -> Tenant | None:
    try:
        return parse_tenant(text) if text else None
    except RequestError as exc:
        raise SettingsError("FIXED_TENANT must be 1 to 64 letters, digits, `_`, `.` and `-`.") from exc


def _make_keys(settings: TokenSettings) -> KeySource:
    if settings.jwks_url:
        return CachedKeys(partial(fetch_jwks, settings.jwks_url))
    if not settings.token_secret_arn:
        raise SettingsError("AUTH_MODE is jwt, and neither JWKS_URL nor TOKEN_SECRET_ARN is set.")
    client = make_client("secretsmanager", read_timeout_seconds=READ_TIMEOUT_SECONDS)
    return CachedKeys(partial(fetch_secrets, client, settings.token_secret_arn))


def make_tickets(settings: AuthorizerSettings) -> DynamoDbTickets:
    """Build the store of tickets."""
    client = make_client("dynamodb", read_timeout_seconds=READ_TIMEOUT_SECONDS)
    return DynamoDbTickets(client, settings.tickets_table)
