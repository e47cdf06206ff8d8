"""Topics: what one subscribes to, a channel that others publish to or the live result of a compute.

A channel is named `namespace:name`, a live result by its key's public form, `compute@version:digest`. A topic is a
tenant's own; only the live results of shared computes belong to no tenant.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Container
from dataclasses import dataclass

from push.computes import Tenant
from push.errors import RequestError
from push.keys import Key, parse_tenant

SHARDS = 4
"""Over how many partitions the subscriptions of one topic, or of one connection, are spread."""

_CHANNEL = re.compile(r"[A-Za-z0-9_.-]{1,64}:[A-Za-z0-9_.:/-]{1,128}")
_LIVE = re.compile(r"(?P<compute>[a-z0-9_-]{1,64})@[1-9][0-9]{0,8}:[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Topic:
    """Identity of a topic; `scope` is None only for live results of the shared scope."""

    scope: Tenant | None
    name: str

    @property
    def storage(self) -> str:
        """Name in a store, with the tenant in front; neither tenants nor namespaces can hold `/`, nor names `#`."""
        return f"{'*' if self.scope is None else self.scope}/{self.name}"

    @property
    def is_live(self) -> bool:
        """Whether it is a live result; no channel's name holds `@`."""
        return "@" in self.name


def parse_topic(text: str, tenant: Tenant, shared_computes: Container[str] = ()) -> Topic:
    """Read a topic that a client of the tenant names.

    Args:
        text: the name, as on the wire.
        tenant: whose client it is; nothing in the text can lead to another tenant's topic.
        shared_computes: names of the computes whose results are the same for every tenant.

    Raises:
        RequestError: it is no topic's name (`invalid_message`).

    """
    if _CHANNEL.fullmatch(text):
        return Topic(tenant, text)
    live = _LIVE.fullmatch(text)
    if live is None:
        raise RequestError(
            "A topic is namespace:name, of letters, digits and _.- (in the name also : and /), at most 64 and 128 "
            "characters; or the key of a result."
        )
    return Topic(None if live["compute"] in shared_computes else tenant, text)


def live_topic(key: Key) -> Topic:
    """Return the topic of a key's result."""
    return Topic(key.tenant, key.public)


def parse_topic_storage(name: str) -> Topic:
    """Read a topic back from its name in a store.

    Raises:
        RequestError: the name is none (`invalid_message`, or `forbidden` for the tenant's part).

    """
    scope, _, topic = name.partition("/")
    if scope != "*":
        return parse_topic(topic, parse_tenant(scope))
    if not _LIVE.fullmatch(topic):
        raise RequestError("Only live results belong to no tenant.")
    return Topic(None, topic)


def shard_of(name: str) -> int:
    """Return the shard of a connection among a topic's subscribers, or of a topic among a connection's topics."""
    return zlib.crc32(name.encode()) % SHARDS
