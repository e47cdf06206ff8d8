"""All subscriptions of a session: their messages, and when each is made, resumed and ended.

On each new connection, every subscription is resumed since its position, all at once. The connection before keeps
delivering messages until they are active on the new one; a message that arrives on both counts once.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

from pushaside.backoff import growing
from pushaside.errors import PushasideError
from pushaside.protocol.messages import Result
from pushaside.protocol.positions import Position
from pushaside.protocol.questions import GZIP
from pushaside.protocol.topic_messages import Presence, Pushed, Subscribed, Unsubscribed, Value
from pushaside.protocol.topic_questions import Subject, SubscribeQuestion
from pushaside.session.agenda import Agenda
from pushaside.session.effects import Effect, FetchFailure, Notify, Outcome, Remedy, TellPresence
from pushaside.session.exchanges import Exchange, Exchanges
from pushaside.session.farewells import Farewells
from pushaside.session.feeds import Feed, Update
from pushaside.session.large_updates import LargeUpdates
from pushaside.session.links import Link
from pushaside.session.subscription import Plan, Subscription
from pushaside.session.topic_index import TopicIndex
from pushaside.settings import Settings


class Subscriptions:
    """All subscriptions by id; messages and notifications are appended to `effects`."""

    def __init__(
        self,
        settings: Settings,
        random: Callable[[], float],
        new_id: Callable[[], str],
        exchanges: Exchanges,
        effects: list[Effect],
    ) -> None:
        self._settings = settings
        self._random = random
        self._new_id = new_id
        self._exchanges = exchanges
        self._effects = effects
        self._accept = GZIP if settings.accept_gzip else ()
        self._all: dict[str, Subscription] = {}
        self._topics = TopicIndex()
        self._asked: dict[str, Subscription] = {}
        self._large_updates = LargeUpdates(new_id, effects)
        self._farewells = Farewells(new_id, exchanges, self._left)
        self._agenda = Agenda()
        self.current: Link | None = None
        """The connection for new subscriptions."""

    def next_at(self) -> float | None:
        """Return when `tick` is next due."""
        return self._agenda.next_at()

    # The caller's side

    def write(self, subject: Subject, since: Position | None, accept: tuple[str, ...] = ()) -> bytes:
        """Return the message of a subscription, to check its size."""
        return SubscribeQuestion(subject, lambda: since, self._accept + accept).write(self._new_id(), math.inf)

    def add(self, subject: Subject, since: Position | None, now: float, accept: tuple[str, ...] = ()) -> Feed:
        """Subscribe; `accept` lists forms of data that it reads, in addition to those that all read."""
        feed = Feed(self._new_id(), subject, since, self._settings.max_queued_updates)
        question = SubscribeQuestion(subject, lambda: feed.position, self._accept + accept)
        subscription = self._all[feed.id] = Subscription(feed, question)
        self._topics.add(subscription)
        self._ask(subscription, now)
        return feed

    def take(self, subscription_id: str, now: float) -> Update | None:
        """Remove and return the next update of a subscription; None if there is none."""
        subscription = self._all[subscription_id]
        update = subscription.feed.take()
        if subscription.feed.make_room():
            self._ask(subscription, now)
        return update

    def remove(self, subscription_id: str, now: float) -> None:
        """Unsubscribe."""
        subscription = self._all.pop(subscription_id, None)
        if subscription is not None and subscription.feed.error is None:
            self._give_back(subscription, now)

    def end(self, error: PushasideError) -> None:
        """End all subscriptions; their updates can still be taken."""
        self.current = None
        self._farewells.stop()
        for subscription in self._all.values():
            self._detach(subscription)
            subscription.feed.end(copy.copy(error))
            self._tell(subscription)
        self._topics.clear()

    # The network's side

    def link_opened(self, link: Link, now: float) -> None:
        """Resume every subscription on a new connection."""
        self.current = link
        self._farewells.stop()
        for subscription in self._all.values():
            self._ask(subscription, now)
            if subscription.exchange is None:
                subscription.move(None)

    def link_gone(self, link: Link) -> None:
        """Note that a connection is lost or retired."""
        if self.current is link:
            self.current = None
        for subscription_id in link.feeds.copy():
            self._all[subscription_id].move(None)
            self._tell(self._all[subscription_id])

    def take_subscribed(self, link: Link | None, subscribed: Subscribed, now: float) -> None:
        """Handle an answer: the subscription is active on this connection."""
        subscription = self._asked.get(subscribed.id)
        exchange = None if subscription is None else subscription.exchange
        if link is None or subscription is None or exchange is None:
            self._take_unwanted(link, subscribed, now)
            return
        if exchange.link is not link:
            return
        self._drop_exchange(subscription)
        subscription.failures = 0
        subscription.move(link)
        if (stray := self._topics.name(subscription, subscribed.topic)) is not None:
            subscription.feed.push(stray)
        subscription.feed.subscribed(subscribed)
        self._settle(subscription, now)

    def take_pushed(self, pushed: Pushed, now: float) -> None:
        """Handle a message of a topic, from any connection."""
        subscriptions = self._topics.subscribed.get(pushed.topic)
        if subscriptions is None:
            self._topics.hold(pushed)
            return
        for subscription in list(subscriptions.values()):
            subscription.feed.push(pushed)
            self._settle(subscription, now)

    def take_presence(self, presence: Presence) -> None:
        """Handle a presence message; it has no position, so it is passed on as it arrives."""
        for subscription_id in self._topics.subscribed.get(presence.topic, ()):
            self._effects.append(TellPresence(subscription_id, presence))

    def take_unsubscribed(self, unsubscribed: Unsubscribed) -> None:
        """Handle the answer to an unsubscription."""
        self._farewells.answered(unsubscribed.id)

    def take_fetched(self, fetch_id: str, outcome: Result | FetchFailure, now: float) -> None:
        """Handle the outcome of a fetch, whose subscription may have ended."""
        subscription = self._large_updates.take(fetch_id)
        if subscription is None or (pushed := subscription.fetching) is None:
            return
        if isinstance(outcome, Result):
            subscription.feed.fetched(pushed, Value(outcome.data, outcome.etag))
        else:
            self._fetch_later(subscription, outcome, now)
        self._settle(subscription, now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        for subscription_id in self._agenda.take_due(now):
            subscription = self._all[subscription_id]
            plan, subscription.plan = subscription.plan, None
            if plan is Plan.FETCH:
                self._large_updates.fetch(subscription)
            else:
                self._ask(subscription, now)

    # Asking

    def _ask(self, subscription: Subscription, now: float) -> None:
        """Send a subscription, or resume it; if it must wait for something, that sends it later."""
        feed = subscription.feed
        self._drop_exchange(subscription)
        self._unplan(subscription)
        if self.current is None or feed.is_full or feed.error is not None or self._farewells.concern(feed.subject):
            return
        feed.begin()
        self._large_updates.forget(subscription)
        exchange = Exchange(self._new_id(), subscription.question, now, math.inf)
        exchange.settled = lambda outcome: self._refused(subscription, exchange, outcome)
        subscription.exchange, subscription.asked_at = exchange, now
        self._asked[exchange.id] = subscription
        self._exchanges.add(exchange)
        self._exchanges.ask(exchange, self.current, now)

    def _refused(self, subscription: Subscription, exchange: Exchange, outcome: Outcome) -> None:
        del self._asked[exchange.id]
        subscription.exchange = None
        if not isinstance(outcome, PushasideError):
            return
        if outcome.retryable and subscription.feed.is_subscribed:
            patience = max(self._backoff(subscription.failures), outcome.retry_after or 0.0)
            subscription.failures += 1
            self._plan(subscription, Plan.ASK, exchange.asked_at + patience)
        else:
            subscription.feed.end(outcome)
            self._detach(subscription)
            self._tell(subscription)

    def _settle(self, subscription: Subscription, now: float) -> None:
        """Do what a change of the feed demands: notify, fetch, or plan to close a gap."""
        feed = subscription.feed
        self._tell(subscription)
        if feed.error is not None:
            self._give_back(subscription, now)
            return
        if feed.linked is not subscription.fetching:
            self._large_updates.follow(subscription)
        if not feed.is_missing:
            if subscription.plan is Plan.CLOSE_GAP:
                self._unplan(subscription)
        elif subscription.exchange is None:
            self._plan_to_close_gap(subscription, now)

    def _plan_to_close_gap(self, subscription: Subscription, now: float) -> None:
        patience = self._settings.gap_seconds
        if subscription.feed.is_elsewhere and subscription.plan is not Plan.ASK:
            # Waiting does not help, but this bounds the rate of resubscribing while old messages still arrive.
            self._plan(subscription, Plan.CLOSE_GAP, max(now, subscription.asked_at + patience))
        elif subscription.plan is None:
            self._plan(subscription, Plan.CLOSE_GAP, now + patience)

    def _give_back(self, subscription: Subscription, now: float) -> None:
        """End a subscription, and unsubscribe unless another one has the same topic."""
        self._detach(subscription)
        topic = subscription.feed.topic
        if topic is not None and topic not in self._topics.subscribed:
            self._leave(topic, subscription.feed.subject, now)

    def _detach(self, subscription: Subscription) -> None:
        """Expect nothing more for a subscription."""
        self._drop_exchange(subscription)
        self._unplan(subscription)
        self._large_updates.forget(subscription)
        subscription.move(None)
        self._topics.remove(subscription)

    def _take_unwanted(self, link: Link | None, subscribed: Subscribed, now: float) -> None:
        """Unsubscribe a topic whose subscription ended before this answer arrived."""
        if link is not None and link is self.current and not self._topics.may_have(subscribed.topic):
            self._leave(subscribed.topic, None, now)

    def _leave(self, topic: str, subject: Subject | None, now: float) -> None:
        if self.current is not None:
            self._farewells.say(topic, subject, self.current, now)

    def _left(self, asked_at: float) -> None:
        """Send the subscriptions that waited, because the service may handle two messages at once in any order."""
        for subscription in self._all.values():
            if subscription.exchange is None and subscription.link is None and subscription.plan is None:
                self._plan(subscription, Plan.ASK, asked_at)

    def _fetch_later(self, subscription: Subscription, failure: FetchFailure, now: float) -> None:
        if subscription.feed.skip_linked():
            return
        if failure.remedy is Remedy.NOTHING:
            subscription.feed.end(failure.error)
        elif failure.remedy is Remedy.FETCH_AGAIN and subscription.fetches < self._settings.fetch_attempts:
            self._plan(subscription, Plan.FETCH, now + self._backoff(subscription.fetches - 1))
        elif subscription.exchange is None:
            self._plan(subscription, Plan.ASK, now + self._backoff(subscription.failures))
            subscription.failures += 1

    # Keeping the books

    def _tell(self, subscription: Subscription) -> None:
        if subscription.feed.has_news:
            subscription.feed.has_news = False
            self._effects.append(Notify(subscription.feed.id))

    def _drop_exchange(self, subscription: Subscription) -> None:
        if subscription.exchange is not None:
            self._exchanges.remove(subscription.exchange)
            del self._asked[subscription.exchange.id]
            subscription.exchange = None

    def _plan(self, subscription: Subscription, plan: Plan, at: float) -> None:
        subscription.plan = plan
        self._agenda.put(subscription.feed.id, at)

    def _unplan(self, subscription: Subscription) -> None:
        subscription.plan = None
        self._agenda.drop(subscription.feed.id)

    def _backoff(self, attempt: int) -> float:
        return growing(
            attempt,
            self._random(),
            base_seconds=self._settings.backoff_base_seconds,
            cap_seconds=self._settings.backoff_cap_seconds,
        )
