"""Namespaces: options and permissions of the topics whose names match a pattern, from `topics.json`.

The document is a list; a topic belongs to the first namespace whose `match` fits its name. In a pattern, `*` matches
any characters or none, and every other character matches itself. The last namespace must match everything.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import Annotated, Literal, assert_never

import msgspec

from push.callers import ANYBODY_PRINCIPAL
from push.computes import Tenant
from push.errors import ErrorCode, RequestError, SettingsError
from push.keys import hash_principal
from push.topics.topics import Topic

EVERYTHING = "*"
_REMEMBERED_TOPICS = 4096

Principal = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Who = Literal["anybody", "tenant", "nobody"] | tuple[Principal, ...]
"""The principals with a permission. Permissions apply within a tenant; topics are never visible across tenants.

`anybody` includes callers without a credential (AUTH_MODE none), `tenant` requires one; a list names principals.
"""


class Namespace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Options and permissions of the topics that match a pattern.

    The history holds the latest `history_size` messages that are not older than `history_seconds`. With `presence`,
    subscribers are told which others join and leave. With `patches`, clients that accept patches receive them where
    they are smaller.
    """

    match: Annotated[str, msgspec.Meta(min_length=1, max_length=193)]
    history_size: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1000
    history_seconds: Annotated[int, msgspec.Meta(ge=10, le=7 * 86_400)] = 600
    subscribe: Who = "anybody"
    publish: Who = "nobody"
    presence: bool = False
    patches: bool = False

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(".*".join(re.escape(part) for part in self.match.split("*")))

    def matches(self, name: str) -> bool:
        """Return whether a topic's name matches the pattern."""
        return self._pattern.fullmatch(name) is not None

    def check_subscribe(self, topic: Topic, tenant: Tenant, principal: str) -> None:
        """Check that a principal may subscribe to a topic of this namespace.

        Raises:
            RequestError: it may not (`forbidden`).

        """
        is_own = topic.scope == tenant or (topic.scope is None and topic.is_live)
        if topic.principal is not None:
            is_own = is_own and topic.principal == hash_principal(principal)
        if not (is_own and _includes(self.subscribe, principal)):
            raise RequestError(f"You do not have permission to subscribe to {topic.name}.", code=ErrorCode.FORBIDDEN)

    def check_publish(self, topic: Topic, tenant: Tenant, principal: str) -> None:
        """Check that a principal may publish to a topic of this namespace; live results accept no messages.

        Raises:
            RequestError: it may not (`forbidden`).

        """
        if topic.is_live:
            raise RequestError(
                "Clients can't publish to a live result. Publish to a channel.", code=ErrorCode.FORBIDDEN
            )
        if not (topic.scope == tenant and _includes(self.publish, principal)):
            raise RequestError(f"You do not have permission to publish to {topic.name}.", code=ErrorCode.FORBIDDEN)


class Namespaces:
    """All namespaces, in the order of matching."""

    def __init__(self, namespaces: tuple[Namespace, ...]) -> None:
        self._namespaces = namespaces
        self._find = lru_cache(maxsize=_REMEMBERED_TOPICS)(self._search)

    def find(self, topic: Topic) -> Namespace:
        """Return the namespace of a topic."""
        return self._find(topic.name)

    def _search(self, name: str) -> Namespace:
        return next(namespace for namespace in self._namespaces if namespace.matches(name))


def parse_namespaces(document: bytes) -> Namespaces:
    """Parse `topics.json`.

    Raises:
        SettingsError: the document is invalid; the sentence says where and why.

    """
    try:
        namespaces = _decoder.decode(document)
    except msgspec.DecodeError as exc:
        raise SettingsError(f"topics.json is invalid: {exc}.") from exc
    matches = [namespace.match for namespace in namespaces]
    if not matches or matches[-1] != EVERYTHING:
        raise SettingsError(f'topics.json must end with a namespace that matches "{EVERYTHING}".')
    repeated = {match for match in matches if matches.count(match) > 1}
    if repeated:
        raise SettingsError(f'topics.json has several namespaces that match "{min(repeated)}".')
    return Namespaces(namespaces)


_decoder = msgspec.json.Decoder(tuple[Namespace, ...])


def _includes(who: Who, principal: str) -> bool:
    match who:
        case "anybody":
            return True
        case "tenant":
            return principal != ANYBODY_PRINCIPAL
        case "nobody":
            return False
        case tuple():
            return principal in who
        case _:
            assert_never(who)
