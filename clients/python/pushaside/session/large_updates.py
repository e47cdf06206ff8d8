"""The data of updates that arrive with a link in place of it."""

from __future__ import annotations

from collections.abc import Callable

from pushaside.protocol.messages import Linked, Result
from pushaside.session.effects import Effect, Fetch
from pushaside.session.subscription import Subscription


class LargeUpdates:
    """Fetches the data of each subscription's linked message; fetches are appended to `effects`."""

    def __init__(self, new_id: Callable[[], str], effects: list[Effect]) -> None:
        self._new_id = new_id
        self._effects = effects
        self._fetched: dict[str, Subscription] = {}

    def follow(self, subscription: Subscription) -> None:
        """Fetch the data of the linked message, which has changed, and forget the one before."""
        self.forget(subscription)
        if subscription.feed.linked is not None:
            subscription.fetching = subscription.feed.linked
            self.fetch(subscription)

    def fetch(self, subscription: Subscription) -> None:
        """Fetch the data, for the first time or again."""
        pushed = subscription.fetching
        if pushed is None or pushed.value is None or pushed.value.url is None:
            return
        subscription.fetches += 1
        fetch_id = self._new_id()
        self._fetched[fetch_id] = subscription
        result = Result(fetch_id, pushed.topic, pushed.value.etag, "", 0.0, None)
        self._effects.append(Fetch(fetch_id, Linked(result, pushed.value.url)))

    def take(self, fetch_id: str) -> Subscription | None:
        """Return the subscription of a fetch that has ended; None if it no longer needs the data."""
        return self._fetched.pop(fetch_id, None)

    def forget(self, subscription: Subscription) -> None:
        """Ignore the outcomes of a subscription's fetches."""
        subscription.fetching, subscription.fetches = None, 0
        for fetch_id in [each for each, of in self._fetched.items() if of is subscription]:
            del self._fetched[fetch_id]
