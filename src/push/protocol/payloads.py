"""Payloads: data of results that exceeds a message, stored as objects and sent as links."""

from __future__ import annotations

from push.keys import Key

LINK_FROM_BYTES = 512 * 1024
"""Every result of at least this size has its payload in the bucket before the fill, so any function can link to it."""

LINK_SECONDS = 300
"""How long a link in a WebSocket message is valid."""


def payload_name(key: Key, etag: str) -> str:
    """Return the name of a result's payload; the same data under the same key has the same name."""
    scope = "shared" if key.tenant is None else f"tenants/{key.tenant}"
    if key.principal is not None:
        scope = f"{scope}/principals/{key.principal}"
    return f"payloads/results/{scope}/{key.public}/{etag}"
