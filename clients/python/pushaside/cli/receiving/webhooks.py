"""The receiver of webhooks: it decides how to answer each one, and reads what it contains."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from pushaside.errors import PushasideError, UnverifiedWebhookError
from pushaside.http.downloads import Downloads
from pushaside.protocol.data_forms import check_etag
from pushaside.protocol.messages import Failed, Linked, Result
from pushaside.webhooks import read_webhook, verify_webhook

NO_CONTENT, UNAUTHORIZED, UNAVAILABLE = 204, 401, 503

_REMEMBERED = 100_000
"""The number of ids that are remembered to detect duplicates."""

_RENEW_SECONDS = 1.0
"""The shortest time between two fetches of the secrets, however many unknown signatures arrive."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A webhook, its answer and what it contained.

    `why` is the reason why it is not verified, `trouble` what is wrong with the result of a verified one, `error` the
    error that the request ended in.
    """

    webhook_id: str
    answered: int
    why: str = ""
    is_duplicate: bool = False
    type: str = ""
    request: str = ""
    etag: str = ""
    size_bytes: int | None = None
    sha256: str = ""
    is_linked: bool = False
    error: PushasideError | None = None
    trouble: str = ""

    @property
    def is_verified(self) -> bool:
        """Whether the service sent it."""
        return not self.why

    @property
    def is_received(self) -> bool:
        """Whether the service sent it, and it was accepted for the first time."""
        return self.answered == NO_CONTENT and not self.is_duplicate


class Keys:
    """The secrets that sign webhooks; `renew` fetches the current ones, and is None if they never change."""

    def __init__(self, secrets: tuple[str, ...], renew: Callable[[], Awaitable[tuple[str, ...]]] | None) -> None:
        self.secrets = secrets
        self._renew = renew
        self._renewing = asyncio.Lock()
        self._renewed_at = -math.inf

    async def renew_after(self, secrets: tuple[str, ...]) -> bool:
        """Fetch the current secrets, unless another caller just did; tell whether they differ from these.

        Raises:
            PushasideError: the service did not return them.

        """
        async with self._renewing:
            is_due = self.secrets == secrets and time.monotonic() - self._renewed_at >= _RENEW_SECONDS
            if is_due and self._renew is not None:
                self._renewed_at = time.monotonic()
                self.secrets = await self._renew()
        return self.secrets != secrets


class Receiver:
    """Accepts webhooks; answers 503 to the first `fail_first` verified ones, so that the service retries them."""

    def __init__(self, keys: Keys, downloads: Downloads, *, fail_first: int = 0) -> None:
        self._keys = keys
        self._downloads = downloads
        self._left_to_fail = fail_first
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def take(self, headers: Mapping[str, str], body: bytes) -> Receipt:
        """Decide how to answer a webhook, quickly, because the sender waits for the answer."""
        try:
            webhook_id = await self._verify(headers, body)
        except UnverifiedWebhookError as exc:
            return Receipt(headers.get("webhook-id", ""), UNAUTHORIZED, why=exc.message)
        if webhook_id in self._seen:
            return Receipt(webhook_id, NO_CONTENT, is_duplicate=True)
        if self._left_to_fail > 0:
            self._left_to_fail -= 1
            return Receipt(webhook_id, UNAVAILABLE)
        self._seen[webhook_id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return Receipt(webhook_id, NO_CONTENT)

    async def complete(self, receipt: Receipt, body: bytes) -> Receipt:
        """Read a verified webhook that has been answered, and fetch the data behind its link."""
        try:
            webhook = read_webhook(body)
        except PushasideError as exc:
            return replace(receipt, trouble=exc.message)
        receipt = replace(receipt, type=webhook.type, request=webhook.answer.id or "")
        match webhook.answer:
            case Failed() as failed:
                return replace(receipt, error=failed.error)
            case Result() as result:
                return _with_data(replace(receipt, etag=result.etag), webhook.data)
            case Linked() as linked if receipt.is_received:
                return await self._fetch(replace(receipt, etag=linked.result.etag, is_linked=True), linked)
            case Linked() as linked:
                # The data was fetched before, or will be when the service retries.
                return replace(receipt, etag=linked.result.etag, is_linked=True)

    async def _fetch(self, receipt: Receipt, linked: Linked) -> Receipt:
        try:
            return _with_data(receipt, await self._downloads.fetch_data(linked.url))
        except PushasideError as exc:
            return replace(receipt, trouble=exc.message)

    async def _verify(self, headers: Mapping[str, str], body: bytes) -> str:
        secrets = self._keys.secrets
        try:
            return verify_webhook(headers, body, secrets)
        except UnverifiedWebhookError as exc:
            if not exc.is_unknown_signature or not await self._has_new_keys(secrets):
                raise
        return verify_webhook(headers, body, self._keys.secrets)

    async def _has_new_keys(self, secrets: tuple[str, ...]) -> bool:
        try:
            return await self._keys.renew_after(secrets)
        except PushasideError as exc:
            sentence = (
                f"The signature matches no known secret, and the service does not return its secrets: {exc.message}"
            )
            raise UnverifiedWebhookError(sentence) from exc


def _with_data(receipt: Receipt, data: bytes | None) -> Receipt:
    if data is None:
        return receipt
    trouble = ""
    try:
        check_etag(data, receipt.etag)
    except PushasideError as exc:
        trouble = exc.message
    return replace(receipt, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), trouble=trouble)
