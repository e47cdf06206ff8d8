"""Subscribing connections to topics: write the row, read the topic, then answer, so that no message is missed.

A subscriber that passes a position is marked as lagging before its row is written. Fan-out skips a lagging connection
until its own catch-up messages have brought it up to date, so the connection receives everything in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from push.callers import Caller, serialize_claims
from push.computes import Registry, Scope
from push.errors import ErrorCode, PushasideError, RequestError, TransientError
from push.protocol.large_answers import GZIP
from push.protocol.messages import MAX_TOPICS, Subscribe, Unsubscribe
from push.topics.fan_out_jobs import CatchUp, FanOutJob, PresenceLook
from push.topics.farewells import make_farewell
from push.topics.namespaces import Namespaces
from push.topics.ports import FanOutJobSender, Subscriptions, SyncLagging, SyncTopicHistories
from push.topics.positions import Position, parse_position
from push.topics.subscriptions import PATCH, PRESENCE_DELAY_SECONDS, Right, Subscription, subscribed_until
from push.topics.topic_answers import Subscribed, subscribed_live
from push.topics.topics import Topic, parse_topic, shard_of
from request.asking.live_values import LiveQuestion, LiveValues

_COUNTED_FROM = 150
"""A connection with fewer topics in one shard counts as below the limit, because counting all takes four queries."""

_OPTIONS = frozenset((PATCH, GZIP))


class _Resumed(msgspec.Struct, frozen=True):
    """One topic of a `hello`."""

    topic: Topic
    since: Position


class ConnectionSubscriptions:
    """Subscribes and unsubscribes connections for one execution environment.

    Args:
        namespaces: decide which principals may subscribe to which topics.
        registry: the computes on offer.
        subscriptions: the rows of subscriptions.
        histories: hold the positions and messages of topics.
        lagging: marks the connections that have to catch up.
        fan_out: the queue that pushes.
        live: the values of live results.
        now_ms: the clock, in milliseconds since 1970.
        connection_seconds: how long API Gateway lets a connection last.

    """

    def __init__(
        self,
        *,
        namespaces: Namespaces,
        registry: Registry,
        subscriptions: Subscriptions,
        histories: SyncTopicHistories,
        lagging: SyncLagging,
        fan_out: FanOutJobSender,
        live: LiveValues,
        now_ms: Callable[[], int],
        connection_seconds: float = 7200.0,
    ) -> None:
        self._namespaces = namespaces
        self._shared_computes, self._own_computes = (
            frozenset(name for name, compute in registry.by_name.items() if compute.scope is scope)
            for scope in (Scope.SHARED, Scope.PRINCIPAL)
        )
        self._subscriptions = subscriptions
        self._histories = histories
        self._lagging = lagging
        self._fan_out = fan_out
        self._live = live
        self._now_ms = now_ms
        self._connection_seconds = connection_seconds

    def subscribe(self, message: Subscribe, caller: Caller) -> Subscribed:
        """Subscribe a connection; a repeated call is safe.

        Raises:
            RequestError: the topic does not exist, the caller may not subscribe, or the connection has too many topics.
            TransientError: a service did not answer. The connection may be subscribed; the client can retry.

        """
        since = None if message.since is None else parse_position(message.since)
        if message.compute is not None:
            question = self._live.identify(caller, message.compute, message.params)
            return self._subscribe_live(question, message, caller, since)
        topic = self._channel(message.topic or "", caller)
        self._check_count(topic, caller)
        return self._subscribe_channel(self._subscription(topic, caller, message.accept), since)

    def unsubscribe(self, message: Unsubscribe, caller: Caller) -> Topic:
        """End a subscription, if there is one, and return its topic.

        Raises:
            RequestError: the name is not a topic's.
            TransientError: a service did not answer; the connection may still be subscribed.

        """
        topic = self._parse(message.topic, caller)
        self._subscriptions.remove(topic, caller.connection_id)
        self._lagging.forget(topic, shard_of(caller.connection_id), [caller.connection_id])
        self._update_presence([topic])
        return topic

    def resume(
        self, positions: Mapping[str, str], caller: Caller, accept: tuple[str, ...] | None
    ) -> dict[str, PushasideError]:
        """Subscribe a connection to many channels, each from a position; return the errors of refused channels.

        Messages after a position are pushed, or `resync` if the history no longer holds all of them. A channel that
        cannot be subscribed now is refused with a transient error; no error is raised.
        """
        refused: dict[str, PushasideError] = {}
        resumed = list(self._read_positions(positions, caller, refused))
        try:
            room = MAX_TOPICS - self._subscriptions.count_of(caller.connection_id)
            refused |= {each.topic.name: _too_many() for each in resumed[max(0, room) :]}
            self._resume(resumed[: max(0, room)], caller, accept)
        except TransientError as exc:
            refused |= {each.topic.name: exc for each in resumed}
        return refused

    def _read_positions(
        self, positions: Mapping[str, str], caller: Caller, refused: dict[str, PushasideError]
    ) -> Iterator[_Resumed]:
        for name, position in positions.items():
            try:
                yield _Resumed(self._channel(name, caller), parse_position(position))
            except RequestError as exc:
                refused[name] = exc

    def _resume(self, resumed: Sequence[_Resumed], caller: Caller, accept: tuple[str, ...] | None) -> None:
        shard = shard_of(caller.connection_id)
        marks = [self._lagging.lag(each.topic, shard, caller.connection_id, each.since) for each in resumed]
        self._subscriptions.add([self._subscription(each.topic, caller, accept) for each in resumed])
        self._fan_out.send(
            [
                CatchUp(each.topic.storage, caller.connection_id)
                for each, mark in zip(resumed, marks, strict=True)
                if not self._is_level(each.topic, caller.connection_id, mark, each.since)
            ]
        )
        self._update_presence([each.topic for each in resumed])

    def _subscribe_channel(self, subscription: Subscription, since: Position | None) -> Subscribed:
        topic = subscription.topic
        if since is not None and self._histories.read(topic, since, 1).is_complete:
            connection_id = subscription.connection_id
            mark = self._lagging.lag(topic, shard_of(connection_id), connection_id, since)
            self._add(subscription)
            if not self._is_level(topic, connection_id, mark, since):
                self._fan_out.send([CatchUp(topic.storage, connection_id)])
            return Subscribed(topic, since)
        self._add(subscription)
        if since is None:
            return Subscribed(topic, self._histories.head(topic))
        latest = self._histories.read_latest(topic, 1)
        data = latest.messages[-1].data if latest.messages else b"null"
        return Subscribed(topic, latest.head, recovered=False, data=data)

    def _is_level(self, topic: Topic, connection_id: str, mark: str, since: Position) -> bool:
        """End a connection's lag if it missed nothing, as after most reconnects. Its row must be written before."""
        if self._histories.head(topic) != since:
            return False
        # Fan-out may be pushing a newer message without this connection, which then still has to catch up.
        return self._lagging.catch_up(topic, shard_of(connection_id), connection_id, mark, since) is None

    def _subscribe_live(
        self, question: LiveQuestion, message: Subscribe, caller: Caller, since: Position | None
    ) -> Subscribed:
        topic = question.topic
        self._namespaces.find(topic).check_subscribe(topic, caller.tenant, caller.principal)
        self._check_count(topic, caller)
        self._add(replace(self._subscription(topic, caller, message.accept), right=_right_of(question, caller)))
        self._live.note(question)
        # Position before value: a later fill then has a later position, even if its value is the same.
        head = self._histories.head(topic)
        recovered = since is None or since.epoch == head.epoch
        return subscribed_live(topic, head, self._live.read(question), recovered=recovered)

    def _add(self, subscription: Subscription) -> None:
        self._subscriptions.add([subscription])
        self._update_presence([subscription.topic])

    def _subscription(self, topic: Topic, caller: Caller, accept: tuple[str, ...] | None) -> Subscription:
        options = _OPTIONS.intersection(accept or ())
        until = subscribed_until(self._now_ms())
        return Subscription(topic, caller.connection_id, caller.principal, until, options)

    def _channel(self, name: str, caller: Caller) -> Topic:
        topic = self._parse(name, caller)
        if topic.is_live:
            raise RequestError("Subscribe to a live result by its `compute` and `params`.")
        self._namespaces.find(topic).check_subscribe(topic, caller.tenant, caller.principal)
        return topic

    def _parse(self, name: str, caller: Caller) -> Topic:
        return parse_topic(name, caller.tenant, self._shared_computes, self._own_computes, caller.principal)

    def _check_count(self, topic: Topic, caller: Caller) -> None:
        count = self._subscriptions.count_of(caller.connection_id, topic)
        if 0 < count < _COUNTED_FROM:
            return
        count = self._subscriptions.count_of(caller.connection_id)
        if count >= MAX_TOPICS:
            raise _too_many()
        if count == 0:
            self._schedule_farewell(caller)

    def _schedule_farewell(self, caller: Caller) -> None:
        """Have a connection warned in time that it will close: a subscriber may send no further message."""
        self._fan_out.send([make_farewell(caller.connection_id, caller.connected_at_ms, self._connection_seconds)], 1)

    def _update_presence(self, topics: Sequence[Topic]) -> None:
        looks: list[FanOutJob] = [
            PresenceLook(topic.storage) for topic in topics if self._namespaces.find(topic).presence
        ]
        if looks:
            self._fan_out.send(looks, PRESENCE_DELAY_SECONDS)


def _right_of(question: LiveQuestion, caller: Caller) -> Right | None:
    if question.compute.authorize is None:
        return None
    return Right(caller.tenant, serialize_claims(caller.claims), bytes(question.params).decode())


def _too_many() -> RequestError:
    sentence = f"This connection has reached the maximum of {MAX_TOPICS} subscriptions."
    return RequestError(sentence, code=ErrorCode.FORBIDDEN)
