"""Settled requests on their way to a receiver, with what does not matter filled in."""

from __future__ import annotations

from typing import Any

from push.computes import Tenant
from push.durable.requests import Deliver, RequestRecord, RequestStatus
from tests.builders.results import NOW_MS

URL = "https://receiver.example/hook"
TO_URL = Deliver(webhook=URL)


def make_record(
    *,
    tenant: str = "acme",
    principal: str = "ada",
    id: str = "request-1",  # noqa: A002 - the field's name
    status: RequestStatus = RequestStatus.DONE,
    deliver: Deliver = TO_URL,
    answer: bytes = b'{"type":"result","id":"request-1","data":{"n":1}}',
    **fields: Any,
) -> RequestRecord:
    """Return a settled request's record."""
    return RequestRecord(
        tenant=Tenant(tenant),
        id=id,
        status=status,
        compute="echo",
        fingerprint="f",
        deliver=deliver,
        accepted_at_ms=NOW_MS - 1000,
        deadline_at_ms=NOW_MS + 60_000,
        settled_at_ms=NOW_MS,
        answer=answer,
        principal=principal,
        **fields,
    )
