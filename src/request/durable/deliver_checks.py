"""Checks of a durable request's destination, made when the request is accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from push.computes import Tenant
from push.durable.ports import WebhookEndpoints
from push.durable.requests import Deliver
from push.durable.webhook_targets import check_url
from push.errors import ErrorCode, RequestError


class DeliverChecks:
    """Checks the destinations of requests for one execution environment.

    Args:
        topics: ARNs of the SNS topics that results may go to.
        allow_private: whether webhooks may go to addresses that are not public; for development only.
        endpoints: the webhooks that are disabled because they failed.
        now_ms: the clock, in milliseconds since 1970.

    """

    def __init__(
        self, *, topics: Sequence[str], allow_private: bool, endpoints: WebhookEndpoints, now_ms: Callable[[], int]
    ) -> None:
        self._topics = frozenset(topics)
        self._allow_private = allow_private
        self._endpoints = endpoints
        self._now_ms = now_ms

    def check(self, tenant: Tenant, deliver: Deliver) -> None:
        """Refuse a destination that is known not to work.

        Raises:
            RequestError: the URL cannot receive webhooks (`invalid_params`), the webhook is disabled, or the topic is
                not allowed (`forbidden`).
            TransientError: the table of webhooks did not answer.

        """
        if deliver.sns is not None and deliver.sns not in self._topics:
            sentence = "Results may not go to this topic: the deployment does not allow it."
            raise RequestError(sentence, code=ErrorCode.FORBIDDEN)
        if deliver.webhook is not None:
            check_url(deliver.webhook, allow_private=self._allow_private)
            if disabled := self._endpoints.read_disabled(tenant, deliver.webhook, self._now_ms()):
                sentence = f"This webhook is disabled: {disabled.reason} Requests may name it again a day later."
                raise RequestError(sentence, code=ErrorCode.FORBIDDEN)
