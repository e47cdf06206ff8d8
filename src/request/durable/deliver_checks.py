"""Where a tenant's results may go, as far as it can be said when a request is accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from push.computes import Tenant
from push.durable.ports import WebhookEndpoints
from push.durable.requests import Deliver
from push.durable.webhook_targets import check_url
from push.errors import ErrorCode, RequestError


class DeliverChecks:
    """Checks where requests are to be delivered, for one execution environment.

    Args:
        topics: ARNs of the SNS topics that results may go to.
        allow_private: whether webhooks may go to addresses that are not public; for development only.
        endpoints: what is known of webhooks that fail.
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
        """Let a request pass that can be delivered as far as is known.

        Raises:
            RequestError: its URL can't be posted to (`invalid_params`); or it is disabled, or its topic is not among
                those that are allowed (`forbidden`).
            TransientError: it could not be found out.

        """
        if deliver.sns is not None and deliver.sns not in self._topics:
            sentence = "Results may not go to this topic: it is not among those that the deployment allows."
            raise RequestError(sentence, code=ErrorCode.FORBIDDEN)
        if deliver.webhook is not None:
            check_url(deliver.webhook, allow_private=self._allow_private)
            if disabled := self._endpoints.read_disabled(tenant, deliver.webhook, self._now_ms()):
                sentence = f"This webhook is disabled: {disabled.reason} It is tried again a day after that."
                raise RequestError(sentence, code=ErrorCode.FORBIDDEN)
