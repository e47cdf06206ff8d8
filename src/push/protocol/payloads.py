"""Payloads: data of results too large to travel in a message, kept as objects and handed out as links."""

from __future__ import annotations

from push.keys import Key

LINK_FROM_BYTES = 512 * 1024
"""Every result of this size or more has its payload in the bucket before it is filled, so anyone can link to it."""

LINK_SECONDS = 300
"""How long a link on the socket can be followed."""


def payload_name(key: Key, etag: str) -> str:
    """Return the name of a result's payload; the same data under the same key is the same object."""
    scope = "shared" if key.tenant is None else f"tenants/{key.tenant}"
    return f"payloads/results/{scope}/{key.public}/{etag}"
