"""A client's side of the protocol, without I/O and without a clock.

Events and the time go in: something is asked, a connection opens, is lost or brings a message, time passes. Effects
come out: messages to send, outcomes of what was asked, connections to open and to close. `pushaside.shell` carries
them out on asyncio; tests carry them out in any order they like.

What is asked is kept under its id until it has one outcome: the first of an answer that ends it, its deadline, or the
end of the session. It is asked again under the same id, which the service takes for the same request,

- on another connection, when the one it was asked on is lost,
- after a while of silence, because the service may have lost it,
- when an error says when to come back, a bounded number of times and not past the deadline,
- when it was answered with a link to its data that can't be followed any more,
- when API Gateway reports a fault of its own. That names no request, so all that are not accepted yet are asked again.

Subscriptions are kept until they are given back or refused; `pushaside.session.subscriptions` says how.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import assert_never

from pushaside.errors import (
    CLASSES,
    CannotConnectError,
    ConnectionClosedError,
    PushasideError,
    TooLargeError,
)
from pushaside.protocol import messages
from pushaside.protocol.messages import (
    Accepted,
    Bye,
    Failed,
    GatewayFault,
    Linked,
    Piece,
    Pong,
    Result,
    ServerMessage,
    Unknown,
    Welcome,
)
from pushaside.protocol.positions import Position
from pushaside.protocol.questions import Question
from pushaside.protocol.topic_messages import Presence, Published, Pushed, Subscribed, TopicMessage, Unsubscribed
from pushaside.protocol.topic_questions import Subject
from pushaside.session.answers import Answers
from pushaside.session.effects import Close, Effect, End, FetchFailure
from pushaside.session.exchanges import Exchange, Exchanges
from pushaside.session.feeds import Feed, Update
from pushaside.session.gateway_faults import GatewayFaults
from pushaside.session.large_answers import LargeAnswers
from pushaside.session.links import Link
from pushaside.session.opening import Opening
from pushaside.session.subscriptions import Subscriptions
from pushaside.session.upkeep import Upkeep
from pushaside.settings import Settings

logger = logging.getLogger("pushaside")


class Session:
    """All that a client knows; the module's docstring says what it does.

    `random` gives numbers in [0, 1), `new_id` ids that no other client uses. Every method may leave effects: take
    them with `take_effects` and carry them out in order.
    """

    def __init__(self, settings: Settings, *, random: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._settings = settings
        self._random = random
        self._new_id = new_id
        self._effects: list[Effect] = []
        self._exchanges = Exchanges(settings, random, self._effects)
        self._opening = Opening(settings, random, self._effects)
        self._upkeep = Upkeep(settings, random, self._effects)
        self._large_answers = LargeAnswers(settings, self._exchanges, self._opening.backoff)
        self._gateway_faults = GatewayFaults(settings, self._exchanges, self._opening.backoff)
        self._answers = Answers(settings, random, self._exchanges, self._large_answers)
        self._subscriptions = Subscriptions(settings, random, new_id, self._exchanges, self._effects)
        self._links: dict[int, Link] = {}
        self._current: Link | None = None
        self._message_bytes = messages.MESSAGE_BYTES
        self._ended: PushasideError | None = None
        self.frame_bytes = messages.FRAME_BYTES

    def take_effects(self) -> list[Effect]:
        """Take what is to be done, in order."""
        effects = self._effects[:]
        self._effects.clear()
        return effects

    def next_at(self) -> float | None:
        """Tell when `tick` has something to do, if nothing happens before."""
        times = [link.next_at() for link in self._links.values()]
        times += [at for at in (self._exchanges.next_at(), self._subscriptions.next_at()) if at is not None]
        return min(times, default=None)

    # The caller's side

    def start(self) -> None:
        """Ask for the first connection."""
        self._opening.begin()

    def ask(self, question: Question, deadline_seconds: float, now: float, *, is_watched: bool = False) -> str:
        """Ask something, and give it an id under which its outcome will come, and reports of it if it is watched.

        Raises:
            TooLargeError: the message would be larger than a message may be.
            PushasideError: the session is over; the error says why.

        """
        if self._ended is not None:
            raise copy.copy(self._ended)
        exchange = Exchange(self._new_id(), question, now, now + deadline_seconds, is_watched=is_watched)
        message = question.write(exchange.id, deadline_seconds)
        self._check_size(message)
        self._exchanges.add(exchange)
        self._exchanges.ask(exchange, self._current, now, message)
        return exchange.id

    def forget(self, question_id: str) -> None:
        """Drop what nobody waits for any more; its answer, should it come, is ignored."""
        exchange = self._exchanges.get(question_id)
        if exchange is not None:
            self._exchanges.remove(exchange)

    def subscribe(self, subject: Subject, since: Position | None, now: float, accept: tuple[str, ...] = ()) -> Feed:
        """Subscribe, for as long as the session lasts or until it is given back.

        `accept` lists what this subscription reads beside what all do.

        Raises:
            TooLargeError: the message would be larger than a message may be.
            PushasideError: the session is over; the error says why.

        """
        if self._ended is not None:
            raise copy.copy(self._ended)
        self._check_size(self._subscriptions.write(subject, since, accept))
        return self._subscriptions.add(subject, since, now, accept)

    def take_update(self, subscription_id: str, now: float) -> Update | None:
        """Take what is next of a subscription that is not given back; None if there is nothing for now."""
        return self._subscriptions.take(subscription_id, now)

    def unsubscribe(self, subscription_id: str, now: float) -> None:
        """Give a subscription back; nothing more is told of it."""
        self._subscriptions.remove(subscription_id, now)

    def end(self, error: PushasideError) -> None:
        """End the session: everything unanswered fails with the error, and so does everything asked later."""
        if self._ended is not None:
            return
        self._ended = error
        self._subscriptions.end(error)
        for exchange in self._exchanges.all():
            self._exchanges.settle(exchange, copy.copy(error))
        self._effects.extend(Close(link) for link in self._links)
        self._links.clear()
        self._current = None
        self._effects.append(End(error))

    # The network's side

    def link_opened(self, link_id: int, now: float) -> None:
        """Greet on a new connection and ask on it what waits for one; the connection before it only finishes."""
        self._opening.succeed()
        if self._ended is not None:
            self._effects.append(Close(link_id))
            return
        link = self._links[link_id] = self._upkeep.make_link(link_id, self._new_id(), now)
        previous, self._current = self._current, link
        if previous is not None:
            self._upkeep.retire(previous, now)
        self._subscriptions.link_opened(link, now)
        for exchange in self._exchanges.all():
            if exchange.waits_for_link:
                self._exchanges.ask(exchange, link, now)

    def connect_failed(self, error: PushasideError, now: float) -> None:
        """Plan another attempt to connect, or give up."""
        if self._ended is not None or self._opening.fail(error):
            return
        if self._current is None:
            self.end(error)
        else:
            # Only the replacement of a connection that still works has failed.
            self._current.replace_at = now + self._settings.backoff_cap_seconds

    def link_lost(self, link_id: int, now: float) -> None:
        """Ask on another connection what was asked on one that is gone."""
        link = self._links.pop(link_id, None)
        if link is None:
            return
        self._exchanges.pieces.drop_link(link_id)
        self._subscriptions.link_gone(link)
        was_current = link is self._current
        if was_current:
            self._current = None
        for exchange in self._exchanges.on(link):
            self._exchanges.ask(exchange, self._current, now)
        if not was_current or self._opening.is_under_way:
            return
        if link.heard_at is not None:
            self._opening.begin_spread()
        else:
            # It opened and brought nothing: as far as backing off goes, it might as well not have opened.
            self.connect_failed(CannotConnectError("The connection was closed before anything came on it."), now)

    def received(self, link_id: int, message: ServerMessage, now: float) -> None:
        """Take a message of the service, from any connection, also one that is being closed."""
        link = self._links.get(link_id)
        if link is not None:
            link.hear(now)
            self._opening.hear()
        match message:
            case Result() | Linked():
                self._answers.take_result(message)
            case Piece():
                self._take_piece(link, message, now)
            case Accepted():
                self._answers.take_accepted(message)
            case Subscribed() | Pushed() | Unsubscribed() | Published() | Presence():
                self._take_topic_message(link, message, now)
            case Failed():
                self._take_error(link, message, now)
            case Pong():
                self._answers.take_pong(link, now)
            case Welcome():
                self._take_welcome(link, message)
            case Bye():
                self._take_bye(link, message, now)
            case GatewayFault():
                self._take_fault(link, message, now)
            case Unknown():
                logger.debug("ignored a message: %s", message.why)
            case _:
                assert_never(message)

    def fetching(self, question_id: str, received: int, expected: int | None) -> None:
        """Take how many bytes are there of the data of an answer."""
        self._large_answers.note_fetching(question_id, received, expected)

    def fetched(self, question_id: str, outcome: Result | FetchFailure, now: float) -> None:
        """Take what fetching the data of an answer came to."""
        self._large_answers.take_fetched(question_id, outcome, now)
        self._subscriptions.take_fetched(question_id, outcome, now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        for link in list(self._links.values()):
            if link.is_over or link.is_dead(now) or link.is_drained(now):
                self._effects.append(Close(link.id))
                self.link_lost(link.id, now)
            elif self._upkeep.attend(link, now):
                self._opening.begin()
        for exchange in self._exchanges.take_due(now):
            if exchange.deadline <= now:
                self._answers.time_out(exchange, is_connected=bool(self._links))
                continue
            if exchange.linked is not None:
                self._exchanges.fetch(exchange, exchange.linked)
                continue
            if exchange.link is not None:
                exchange.silences += 1
                self._upkeep.probe(exchange.link, exchange.asked_at, now)
            self._exchanges.ask(exchange, self._current, now)
        self._subscriptions.tick(now)

    def _check_size(self, message: bytes) -> None:
        if len(message) > self._message_bytes:
            raise TooLargeError(f"The request has {len(message)} bytes, and a message holds {self._message_bytes}.")

    # Answers

    def _take_piece(self, link: Link | None, piece: Piece, now: float) -> None:
        # After its connection is gone no more pieces would follow.
        answer = None if link is None else self._large_answers.take_piece(link.id, piece, now)
        if isinstance(answer, Failed):
            self._take_error(link, answer, now)
        elif isinstance(answer, Subscribed):
            self._subscriptions.take_subscribed(link, answer, now)
        elif answer is not None:
            self._answers.take_result(answer)

    def _take_topic_message(self, link: Link | None, message: TopicMessage, now: float) -> None:
        match message:
            case Subscribed():
                self._subscriptions.take_subscribed(link, message, now)
            case Pushed():
                self._subscriptions.take_pushed(message, now)
            case Unsubscribed():
                self._subscriptions.take_unsubscribed(message)
            case Published():
                self._answers.take_published(message)
            case Presence():
                self._subscriptions.take_presence(message)
            case _:
                assert_never(message)

    def _take_error(self, link: Link | None, failed: Failed, now: float) -> None:
        if link is not None and failed.id == link.hello_id:
            logger.warning("the service did not take the hello: %s", failed.error.message)
            link.hello_at = None
        elif failed.id is None:
            # Everything this client sends has an id, except for pings.
            self._answers.fail_ping(link, failed.error, now)
        elif (exchange := self._exchanges.get(failed.id)) is None:
            logger.debug("ignored an error of %s, which is settled", failed.id)
        else:
            self._answers.take_error(exchange, failed.error, now)

    # Messages about the connection

    def _take_welcome(self, link: Link | None, welcome: Welcome) -> None:
        self._message_bytes = welcome.message_bytes or self._message_bytes
        self.frame_bytes = welcome.frame_bytes or self.frame_bytes
        if link is not None and welcome.id == link.hello_id:
            self._upkeep.welcome(link, welcome)

    def _take_bye(self, link: Link | None, bye: Bye, now: float) -> None:
        if link is None or link is not self._current:
            return
        logger.info("the service closes the connection: %s", bye.code)
        if bye.retry:
            self._upkeep.leave_soon(link)
            self._opening.begin_within(bye.after_seconds)
            if not bye.after_seconds:
                self._current = None
                self._upkeep.retire(link, now)
                self._subscriptions.link_gone(link)
        else:
            kind = CLASSES.get(bye.code, ConnectionClosedError)
            self.end(kind(f"The service closed the connection for good: {bye.code}.", retryable=False))

    def _take_fault(self, link: Link | None, fault: GatewayFault, now: float) -> None:
        logger.warning("API Gateway reports: %s", fault.message)
        if link is not None:
            self._gateway_faults.take(link, fault, now)
