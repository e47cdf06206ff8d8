"""The queues of durable requests: those that are not settled, and those whose answer is to be delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.computes import Tenant
from push.errors import QueueUnavailableError
from push.requests import QueuedRequest, WebhookJob, serialize_message

_BATCH_MESSAGES = 10
_BATCH_BYTES = 1024 * 1024
"""SQS takes ten messages and 1 MiB a call ("Amazon SQS message quotas", Developer Guide)."""

_Entry = dict[str, Any]


class SqsRequests:
    """`push.ports.RequestQueue` on SQS."""

    def __init__(self, client: Any, queue_url: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._queue_url = queue_url

    def send(self, requests: Sequence[tuple[QueuedRequest, int]]) -> None:
        """See `RequestQueue.send`."""
        entries = (_entry(serialize_message(each), each.tenant, delay_seconds) for each, delay_seconds in requests)
        _send_all(self._client, self._queue_url, entries)


class SqsWebhooks:
    """`push.ports.WebhookQueue` on SQS."""

    def __init__(self, client: Any, queue_url: str) -> None:  # noqa: ANN401
        self._client = client
        self._queue_url = queue_url

    async def send(self, jobs: Sequence[WebhookJob], delay_seconds: int = 0) -> None:
        """See `WebhookQueue.send`."""
        entries = [_entry(serialize_message(each), each.tenant, delay_seconds) for each in jobs]
        await asyncio.to_thread(_send_all, self._client, self._queue_url, entries)


def _entry(body: str, tenant: Tenant, delay_seconds: int) -> _Entry:
    # The tenant as message group: SQS then shares its attention fairly ("Amazon SQS fair queues", Developer Guide).
    return {"MessageBody": body, "DelaySeconds": delay_seconds, "MessageGroupId": tenant}


def _send_all(client: Any, queue_url: str, entries: Iterable[_Entry]) -> None:  # noqa: ANN401
    for batch in _batches(entries):
        numbered = [{"Id": str(index), **entry} for index, entry in enumerate(batch)]
        try:
            answer = client.send_message_batch(QueueUrl=queue_url, Entries=numbered)
        except (BotoCoreError, ClientError) as exc:
            raise QueueUnavailableError(f"SQS did not take a request: {exc}") from exc
        if failed := answer.get("Failed"):
            raise QueueUnavailableError(f"SQS did not take a request: {failed[0].get('Message', failed[0]['Code'])}")


def _batches(entries: Iterable[_Entry]) -> Iterator[list[_Entry]]:
    batch: list[_Entry] = []
    size_bytes = 0
    for entry in entries:
        body_bytes = len(entry["MessageBody"].encode())
        if batch and (len(batch) == _BATCH_MESSAGES or size_bytes + body_bytes > _BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(entry)
        size_bytes += body_bytes
    if batch:
        yield batch
