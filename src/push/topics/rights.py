"""Subscribers of results that a rule `authorize` guards: it is asked again before each push.

A subscriber whose right has ended is unsubscribed, and is sent a `resync` without a value. Its client subscribes again,
as after any lost value, and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from push.authorizing import RuleFailedError, is_permitted
from push.callers import Caller, JsonClaims
from push.delivery.ports import Series, SeriesConnections
from push.errors import RequestError
from push.topics.ports import Subscribers
from push.topics.positions import Position
from push.topics.subscriptions import Right, Subscription
from push.topics.topics import Topic
from push.topics.update_frames import render_lost

if TYPE_CHECKING:
    from push.computes import AnyCompute, Registry


class SubscriberRights(msgspec.Struct, frozen=True, kw_only=True):
    """Ends the subscriptions whose right has ended, for one execution environment.

    Args:
        find_registry: returns the computes on offer; called for live results only.
        subscribers: the subscribers of topics.
        connections: the management API.

    """

    find_registry: Callable[[], Registry]
    subscribers: Subscribers
    connections: SeriesConnections

    async def keep(self, topic: Topic, page: Sequence[Subscription], reached: Position) -> Sequence[Subscription]:
        """Return the subscriptions that may have the messages up to a position, and end the others."""
        compute = self._find_guarded(topic)
        if compute is None:
            return page
        kept = [each for each in page if _may_have(compute, each)]
        if len(kept) < len(page):
            await self._end(
                topic, {each.connection_id for each in page} - {each.connection_id for each in kept}, reached
            )
        return kept

    async def may_catch_up(self, topic: Topic, connection_id: str, reached: Position) -> bool:
        """Say whether a lagging connection may have what it lacks; end its subscription if not.

        Raises:
            TransientError: the table did not answer.

        """
        if self._find_guarded(topic) is None:
            return True
        found = await self.subscribers.find(topic, connection_id)
        return found is not None and bool(await self.keep(topic, [found], reached))

    def _find_guarded(self, topic: Topic) -> AnyCompute | None:
        if not topic.is_live:
            return None
        compute = self.find_registry().by_name.get(topic.compute)
        return compute if compute is not None and compute.authorize is not None else None

    async def _end(self, topic: Topic, connection_ids: set[str], reached: Position) -> None:
        # The row first: a client that is permitted again by then keeps the row that it writes.
        await self.subscribers.remove_all(topic, connection_ids)
        frame = render_lost(topic, reached)
        await self.connections.post_series([Series(each, (frame,)) for each in sorted(connection_ids)])


def _may_have(compute: AnyCompute, subscription: Subscription) -> bool:
    right = subscription.right
    # A row without a right was written before its compute had the rule.
    return right is not None and compute.authorize is not None and _is_permitted(compute, subscription.principal, right)


def _is_permitted(compute: AnyCompute, principal: str, right: Right) -> bool:
    caller = Caller(right.tenant, principal, claims=JsonClaims(right.claims))
    try:
        params = compute.parse_params(msgspec.Raw(right.params.encode()))
        return compute.authorize is None or is_permitted(compute.authorize, caller, params)
    except (RuleFailedError, RequestError):
        # Neither a defect of the rule nor params of another version may open what it guards.
        return False
