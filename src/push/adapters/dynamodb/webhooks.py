"""Failing webhook endpoints in DynamoDB: one row per tenant and URL, deleted by the next success or by TTL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.dynamodb.errors import is_condition_failure, translate
from push.computes import Tenant
from push.durable.webhook_endpoints import FailingEndpoint, endpoint_name
from push.errors import TransientError

_KEPT_SECONDS = 30 * 24 * 3600
"""A failing URL is forgotten this long after its last failure."""

logger = logging.getLogger(__name__)


class DynamoDbWebhooks:
    """`push.durable.ports.WebhookEndpoints` on DynamoDB."""

    def __init__(self, client: Any, table: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._table = table

    def read_disabled(self, tenant: Tenant, url: str, now_ms: int) -> FailingEndpoint | None:
        """See `WebhookEndpoints.read_disabled`."""
        known = self._read(tenant, url)
        is_disabled = known is not None and known.disabled_at_ms is not None and not known.is_trial_due(now_ms)
        return known if is_disabled else None

    async def read(self, tenant: Tenant, url: str) -> FailingEndpoint | None:
        """See `WebhookEndpoints.read`."""
        return await asyncio.to_thread(self._read, tenant, url)

    async def begin_trial(self, tenant: Tenant, endpoint: FailingEndpoint, now_ms: int) -> bool:
        """See `WebhookEndpoints.begin_trial`."""
        return await asyncio.to_thread(self._begin_trial, tenant, endpoint, now_ms)

    async def note_failure(self, tenant: Tenant, url: str, now_ms: int) -> FailingEndpoint | None:
        """See `WebhookEndpoints.note_failure`."""
        return await asyncio.to_thread(self._note_failure, tenant, url, now_ms)

    async def disable(self, tenant: Tenant, url: str, reason: str, now_ms: int) -> bool:
        """See `WebhookEndpoints.disable`."""
        return await asyncio.to_thread(self._disable, tenant, url, reason, now_ms)

    async def note_success(self, tenant: Tenant, url: str) -> None:
        """See `WebhookEndpoints.note_success`."""
        await asyncio.to_thread(self._note_success, tenant, url)

    def _read(self, tenant: Tenant, url: str) -> FailingEndpoint | None:
        try:
            answer = self._client.get_item(TableName=self._table, Key=_key(tenant, url))
        except (BotoCoreError, ClientError) as exc:
            raise translate(exc, "return a webhook") from exc
        item = answer.get("Item")
        return None if item is None else _parse(item)

    def _begin_trial(self, tenant: Tenant, endpoint: FailingEndpoint, now_ms: int) -> bool:
        try:
            self._update(
                _key(tenant, endpoint.url),
                "SET disabled_at = :now, expires_at = :expires",
                {
                    ":now": {"N": str(now_ms)},
                    ":seen": {"N": str(endpoint.disabled_at_ms)},
                    ":expires": _expiry(now_ms),
                },
                "disabled_at = :seen",
            )
        except (BotoCoreError, ClientError) as exc:
            if is_condition_failure(exc):
                return False
            raise translate(exc, "begin a trial") from exc
        return True

    def _note_failure(self, tenant: Tenant, url: str, now_ms: int) -> FailingEndpoint | None:
        changes = (
            "SET #url = :url, failing_since = if_not_exists(failing_since, :now), expires_at = :expires"
            " ADD failures :one"
        )
        values = {
            ":url": {"S": url},
            ":now": {"N": str(now_ms)},
            ":one": {"N": "1"},
            ":expires": _expiry(now_ms),
        }
        try:
            return _parse(self._update(_key(tenant, url), changes, values, names={"#url": "url"}))
        except (BotoCoreError, ClientError, TransientError) as exc:
            logger.warning("could not count a failed attempt: %s", exc)
            return None

    def _disable(self, tenant: Tenant, url: str, reason: str, now_ms: int) -> bool:
        values = {":now": {"N": str(now_ms)}, ":reason": {"S": reason}, ":expires": _expiry(now_ms)}
        changes = "SET disabled_at = :now, reason = :reason, expires_at = :expires"
        try:
            # If the row is gone, a success deleted it after the failure that this worker saw.
            self._update(
                _key(tenant, url), changes, values, "attribute_exists(endpoint) AND attribute_not_exists(disabled_at)"
            )
        except (BotoCoreError, ClientError) as exc:
            if not is_condition_failure(exc):
                logger.warning("could not disable a webhook: %s", exc)
            return False
        return True

    def _note_success(self, tenant: Tenant, url: str) -> None:
        try:
            self._client.delete_item(TableName=self._table, Key=_key(tenant, url))
        except (BotoCoreError, ClientError) as exc:
            logger.warning("could not delete the failures of a webhook that succeeded: %s", exc)

    def _update(
        self,
        key: Mapping[str, Any],
        changes: str,
        values: Mapping[str, Any],
        condition: str = "",
        names: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        options: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if names:
            options["ExpressionAttributeNames"] = names
        answer = self._client.update_item(
            TableName=self._table,
            Key=key,
            UpdateExpression=changes,
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
            **options,
        )
        row: Mapping[str, Any] = answer["Attributes"]
        return row


def _key(tenant: Tenant, url: str) -> dict[str, Any]:
    return {"endpoint": {"S": endpoint_name(tenant, url)}}


def _expiry(now_ms: int) -> dict[str, str]:
    return {"N": str(now_ms // 1000 + _KEPT_SECONDS)}


def _parse(item: Mapping[str, Any]) -> FailingEndpoint:
    try:
        return FailingEndpoint(
            url=item["url"]["S"],
            failing_since_ms=int(item["failing_since"]["N"]),
            failures=int(item["failures"]["N"]),
            disabled_at_ms=int(item["disabled_at"]["N"]) if "disabled_at" in item else None,
            reason=item["reason"]["S"] if "reason" in item else "",
        )
    except (KeyError, ValueError) as exc:
        raise TransientError("A webhook's row can't be read.") from exc
