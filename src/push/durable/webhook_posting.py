"""One attempt to post a webhook: checks the URL, signs the body, and disables a URL that keeps failing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import msgspec
from msgspec.structs import replace

from push.durable.ports import AttemptOutcome, WebhookAnswer, WebhookClient, WebhookEndpoints
from push.durable.requests import RequestRecord
from push.durable.webhook_endpoints import FAILING, GONE, FailingEndpoint
from push.durable.webhook_keys import sign
from push.durable.webhook_messages import LINK_SECONDS, render_message, webhook_id
from push.durable.webhook_schedule import parse_retry_after
from push.durable.webhook_targets import WebhookUrl, check_url
from push.errors import RequestError
from push.metrics import Counter, Metric
from push.protocol.ports import Payloads


class WebhookPoster(msgspec.Struct, frozen=True, kw_only=True):
    """`push.durable.ports.AnswerSender` for URLs.

    Args:
        client: makes the HTTP requests.
        endpoints: the records of URLs that fail.
        payloads: makes links to large data.
        read_masters: returns the master secrets, the current one first; raises TransientError.
        allow_private: permits URLs to any address; for development only.
        counter: counts disabled URLs.
        now_ms: the clock, in milliseconds since 1970.

    """

    client: WebhookClient
    endpoints: WebhookEndpoints
    payloads: Payloads
    read_masters: Callable[[], Awaitable[Sequence[bytes]]]
    allow_private: bool
    counter: Counter
    now_ms: Callable[[], int]

    async def send(self, record: RequestRecord) -> AttemptOutcome:
        """See `AnswerSender.send`."""
        try:
            url = check_url(record.deliver.webhook or "", allow_private=self.allow_private)
        except RequestError as exc:
            return AttemptOutcome(error=exc.message, is_final=True)
        known = await self.endpoints.read(record.tenant, url.text)
        if known is not None and not await self._may_try(record, known):
            return AttemptOutcome(error=f"The URL is disabled. {known.reason}", is_final=True)
        outcome = await self._post(record, url)
        if outcome.error:
            return await self._note_failure(record, url, outcome)
        if known is not None:
            await self.endpoints.note_success(record.tenant, url.text)
        return outcome

    async def _may_try(self, record: RequestRecord, known: FailingEndpoint) -> bool:
        if known.disabled_at_ms is None:
            return True
        now_ms = self.now_ms()
        return known.is_trial_due(now_ms) and await self.endpoints.begin_trial(record.tenant, known, now_ms)

    async def _post(self, record: RequestRecord, url: WebhookUrl) -> AttemptOutcome:
        masters = await self.read_masters()
        body = render_message(record, self.payloads.link(record.payload, LINK_SECONDS) if record.payload else "")
        signed = sign(masters, record.tenant, webhook_id(record), self.now_ms() // 1000, body)
        answer = await self.client.post(url, {"content-type": "application/json", **signed}, body)
        return AttemptOutcome(
            answer.status, answer.error or _error_of(answer), parse_retry_after(answer.retry_after, self.now_ms())
        )

    async def _note_failure(self, record: RequestRecord, url: WebhookUrl, outcome: AttemptOutcome) -> AttemptOutcome:
        """Record a failure; return the outcome, final if the URL is now disabled."""
        now_ms = self.now_ms()
        known = await self.endpoints.note_failure(record.tenant, url.text, now_ms)
        is_gone = outcome.status == HTTPStatus.GONE
        if known is None:
            return replace(outcome, is_final=is_gone)
        if is_gone or (known.disabled_at_ms is None and known.is_worn_out(now_ms)):
            await self._disable(record, url, GONE if is_gone else FAILING)
            return replace(outcome, is_final=True)
        return replace(outcome, is_final=known.disabled_at_ms is not None)

    async def _disable(self, record: RequestRecord, url: WebhookUrl, reason: str) -> None:
        if await self.endpoints.disable(record.tenant, url.text, reason, self.now_ms()):
            self.counter.count(Metric.WEBHOOK_DISABLED)


def _error_of(answer: WebhookAnswer) -> str:
    """Return the error for an answer; empty for 2xx, the only success (Standard Webhooks, "Webhook delivery")."""
    status = answer.status or 0
    if 200 <= status < 300:
        return ""
    sentence = f"The receiver answered {status}."
    return f"{sentence} Redirects are not followed." if 300 <= status < 400 else sentence
