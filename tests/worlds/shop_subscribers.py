"""The subscribers of a shop, who check what they see, and the value that each should have in the end."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field

import msgspec

from push import ComputeFailedError, Context
from push.computes import Tenant
from push.errors import PushasideError
from push.keys import Key
from push.protocol.frames import render_error_object
from push.testing.applications import MemorySources
from push.topics.live_results import parse_entry
from tests.worlds.shop import Shop, params_of

Question = tuple[str, str, Tenant]

CONNECTED_MS = 7_200_000
"""A connection ends after so long."""


@dataclass
class Subscriber:
    """A connection's subscription to the result of a question, and what it saw."""

    question: Question
    key: Key
    since_ms: int
    read_entries: int
    value: bytes | None = None
    may_be_forgotten: bool = False
    """Whether Redis forgot that it waits, as of all who wait."""
    moments: dict[str, int] = field(default_factory=dict)
    """For each part that it saw, the first moment at which the sources can have been so."""


class Subscribers:
    """All subscribers that are connected. Fan-out is not part of this: they see the histories."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.by_connection: dict[str, Subscriber] = {}
        self._names = (f"connection {number}" for number in itertools.count(1))
        self._read_frames = 0

    def of(self, question: Question) -> list[Subscriber]:
        return [each for each in self.by_connection.values() if each.question == question]

    def subscribe(self, question: Question) -> None:
        """Subscribe a connection, unless a service is away."""
        name, appended = next(self._names), self.shop.world.histories.appended
        subscriber = Subscriber(question, self.shop.key_of(*question), self.shop.clock(), len(appended))
        try:
            value = self.shop.subscribe(*question, name)
        except PushasideError:
            return
        self.by_connection[name] = subscriber
        if value is not None:
            self._see(subscriber, value)

    def unsubscribe(self, name: str) -> None:
        self.shop.unsubscribe(*self.by_connection.pop(name).question, name)

    def end_old_connections(self) -> None:
        for name, each in list(self.by_connection.items()):
            if self.shop.clock() - each.since_ms > CONNECTED_MS:
                self.unsubscribe(name)

    def look(self) -> None:
        """Check what all have received since they looked: in order, and of their own tenant."""
        appended = self.shop.world.histories.appended
        for subscriber in self.by_connection.values():
            new, subscriber.read_entries = appended[subscriber.read_entries :], len(appended)
            for key, _, message in new:
                if key == subscriber.key:
                    entry = parse_entry(message.data)
                    self._see(subscriber, bytes(entry.data) or bytes(entry.error))
        frames = self.shop.world.connections.frames
        for connection_id, frame in frames[self._read_frames :]:
            tenant = json.loads(frame).get("data", {}).get("tenant")
            assert tenant is None or f"{tenant}=" == connection_id, f"{connection_id} received {frame}"
        self._read_frames = len(frames)

    def _see(self, subscriber: Subscriber, value: bytes) -> None:
        subscriber.value, subscriber.may_be_forgotten = value, False
        _, text, tenant = subscriber.question
        found = json.loads(value)
        assert found.get("tenant", tenant) == tenant, f"a subscriber of {tenant} sees {found}"
        # The only failure says that there is no such row.
        for name, part in found.get("parts", {f"row/{text}": None}).items():
            subscriber.moments[name] = self.shop.moment(name, part, subscriber.moments.get(name, 0))

    def prepare_for_flush(self) -> None:
        """Note what Redis is about to forget: who waits, and the versions without which older states may follow."""
        for each in self.by_connection.values():
            waiters = self.shop.world.model.entries[each.key.storage].waiters
            each.may_be_forgotten |= any(waiter.is_live for waiter in waiters)
            each.moments.pop("stock", None)


async def truth(shop: Shop, question: Question) -> bytes:
    """Return what the compute makes of the sources as they are, with an index that does not lag."""
    compute, text, tenant = question
    declared = shop.world.registry.find(compute)
    sources = MemorySources({"Orders": shop.orders.followed()})
    context = Context(tenant=tenant, scope=declared.scope, sources=sources)
    try:
        value = await declared.invoke(declared.parse_params(params_of(text)), context)
    except ComputeFailedError as exc:
        return render_error_object(exc)
    return msgspec.json.encode(getattr(value, "value", value))
