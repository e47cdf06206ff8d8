"""The parts of the HTTP API's function. Each is made when a route first needs it, from that part's settings alone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any

from push.access.ports import Tickets, TokenVerifier
from push.adapters.aws.clients import make_client
from push.adapters.dynamodb.requests import DynamoDbRequests
from push.adapters.dynamodb.webhooks import DynamoDbWebhooks
from push.adapters.s3.claim_checks import ClaimChecks
from push.adapters.s3.payloads import S3Payloads
from push.adapters.secrets.webhook_masters import WebhookMasters, fetch_masters
from push.adapters.sqs.changes import SqsChanges
from push.adapters.sqs.requests import SqsRequests
from push.adapters.wiring.offered_computes import load_offer
from push.adapters.wiring.token_access import READ_TIMEOUT_SECONDS, make_tickets, make_verifier
from push.computes import Registry
from push.protocol.ports import Payloads
from push.settings import (
    AuthorizerSettings,
    HttpSettings,
    OfferSettings,
    RaisedTagSettings,
    TokenSettings,
    read_settings,
)
from push.sources.ports import ChangeSender
from push.sources.raised_tags import ChangeRight, read_change_right
from request.durable.deliver_checks import DeliverChecks
from request.durable.requests import DurableRequests


class HttpParts:
    """The parts of one execution environment.

    Every part raises SettingsError at its first use if a setting is missing or wrong.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    @cached_property
    def tokens(self) -> TokenVerifier | None:
        """The verifier of tokens; None where every caller is admitted."""
        settings = read_settings(TokenSettings, self._environ)
        return None if settings.auth_mode == "none" else make_verifier(settings)

    @cached_property
    def tickets(self) -> Tickets:
        """The one-time tickets."""
        return make_tickets(read_settings(AuthorizerSettings, self._environ))

    @cached_property
    def registry(self) -> Registry:
        """The computes on offer."""
        return load_offer(read_settings(OfferSettings, self._environ))

    @cached_property
    def requests(self) -> DurableRequests:
        """The durable requests."""
        settings = self._settings
        records = DynamoDbRequests(
            client=make_client("dynamodb"), table=settings.requests_table, result_days=settings.result_days
        )
        return DurableRequests(
            registry=self.registry,
            records=records,
            queue=SqsRequests(make_client("sqs"), settings.request_queue_url, ClaimChecks(settings.storage_bucket)),
            check_deliver=self._checks.check,
            now_ms=now_ms,
            new_id=lambda: str(uuid.uuid4()),
            sleep=time.sleep,
        )

    def link(self, payload: str, seconds: int) -> str:
        """Return a URL that serves a payload for so many seconds."""
        return self._payloads.link(payload, seconds)

    @cached_property
    def _payloads(self) -> Payloads:
        return S3Payloads(self._settings.storage_bucket)

    @cached_property
    def masters(self) -> WebhookMasters:
        """The master secrets that webhooks' keys are derived from."""
        client = make_client("secretsmanager", read_timeout_seconds=READ_TIMEOUT_SECONDS)
        return WebhookMasters(partial(fetch_masters, client, self._settings.webhook_secret_arn))

    @cached_property
    def changes(self) -> ChangeSender:
        """The queue of changes."""
        return SqsChanges(make_client("sqs"), self._raised_tags.change_queue_url)

    def change_right(self, claims: Mapping[str, Any]) -> ChangeRight:
        """Return the right to raise tags; where every caller is admitted, every caller may raise all."""
        return ChangeRight.ALL if self.tokens is None else read_change_right(claims, self._raised_tags.change_claim)

    @cached_property
    def _raised_tags(self) -> RaisedTagSettings:
        return read_settings(RaisedTagSettings, self._environ)

    @cached_property
    def _checks(self) -> DeliverChecks:
        settings = self._settings
        return DeliverChecks(
            topics=settings.topics,
            allow_private=settings.allow_private_webhooks,
            endpoints=DynamoDbWebhooks(make_client("dynamodb"), settings.webhooks_table),
            now_ms=now_ms,
        )

    @cached_property
    def _settings(self) -> HttpSettings:
        return read_settings(HttpSettings, self._environ)


def now_ms() -> int:
    """Return the time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
