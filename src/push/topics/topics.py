"""Names of topics: channels that clients publish to, and live results of computes.

A channel is named `namespace:name`; a live result has its key's public form, `compute@version:digest`. A topic belongs
to a tenant, except the live results of shared computes; those of computes of the scope `principal` to one principal.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Container

import msgspec
from msgspec.structs import replace

from push.computes import Tenant
from push.errors import RequestError
from push.keys import Key, hash_principal, parse_tenant

SHARDS = 4
"""The number of partitions for the subscriptions of one topic, and of one connection."""

_CHANNEL = re.compile(r"[A-Za-z0-9_.-]{1,64}:[A-Za-z0-9_.:/-]{1,128}")
_PRINCIPAL = re.compile(r"[0-9a-f]{32}")
_LIVE = re.compile(r"(?P<compute>[a-z0-9_-]{1,64})@[1-9][0-9]{0,8}:[0-9a-f]{32}")


class Topic(msgspec.Struct, frozen=True):
    """The identity of a topic.

    `scope` is None only for live results of the shared scope; `principal` is None except for live results of the scope
    `principal`, and as `push.keys.hash_principal` returns it.
    """

    scope: Tenant | None
    name: str
    principal: str | None = None

    @property
    def storage(self) -> str:
        """Return the name in a store: the tenant first. Tenants hold neither `~` nor `/`, and names no `#`."""
        if self.principal is not None:
            return f"{self.scope}~{self.principal}/{self.name}"
        return f"{'*' if self.scope is None else self.scope}/{self.name}"

    @property
    def compute(self) -> str:
        """Return the name of a live result's compute."""
        return self.name.partition("@")[0]

    @property
    def is_live(self) -> bool:
        """Return whether the topic is a live result; no channel's name holds `@`."""
        return "@" in self.name


def parse_topic(
    text: str,
    tenant: Tenant,
    shared_computes: Container[str] = (),
    own_computes: Container[str] = (),
    principal: str = "",
) -> Topic:
    """Parse the name of a topic from a client.

    Args:
        text: the name, as on the wire.
        tenant: the client's tenant; no text can name another tenant's topic.
        shared_computes: names of the computes whose results are the same for every tenant.
        own_computes: names of the computes whose results belong to a principal.
        principal: the client's principal; no text can name another principal's topic.

    Raises:
        RequestError: the text is not a topic's name (`invalid_message`).

    """
    if _CHANNEL.fullmatch(text):
        return Topic(tenant, text)
    live = _LIVE.fullmatch(text)
    if live is None:
        raise RequestError(
            "A topic must be the key of a result or namespace:name, with at most 64 and 128 letters, digits and _.- "
            "(in the name also : and /)."
        )
    own = hash_principal(principal) if live["compute"] in own_computes else None
    return Topic(None if live["compute"] in shared_computes else tenant, text, own)


def live_topic(key: Key) -> Topic:
    """Return the topic of a key's result."""
    return Topic(key.tenant, key.public, key.principal)


def parse_topic_storage(name: str) -> Topic:
    """Parse a topic's name in a store.

    Raises:
        RequestError: the name is not a topic's (`invalid_message`, or `forbidden` for the tenant).

    """
    scope, _, topic = name.partition("/")
    tenant, _, principal = scope.partition("~")
    if principal and not (_PRINCIPAL.fullmatch(principal) and _LIVE.fullmatch(topic)):
        raise RequestError("Only live results belong to a principal.")
    if tenant != "*":
        return replace(parse_topic(topic, parse_tenant(tenant)), principal=principal or None)
    if not _LIVE.fullmatch(topic):
        raise RequestError("Only live results belong to no tenant.")
    return Topic(None, topic)


def shard_of(name: str) -> int:
    """Return the shard of a connection among a topic's subscribers, or of a topic among a connection's topics."""
    return zlib.crc32(name.encode()) % SHARDS
