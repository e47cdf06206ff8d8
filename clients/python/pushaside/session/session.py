"""The client's side of the protocol, without I/O and without a clock.

Events go in, with the time: the caller asks a question, a connection opens, is lost or receives a message, time passes.
Effects come out: messages to send, outcomes of questions, connections to open and to close. `pushaside.shell` carries
them out on asyncio; tests carry them out in any order.

The session keeps a question under its id until it has one outcome: an answer that ends it, its deadline, or the end of
the session, whichever is first. It sends the question again under the same id, which the service treats as the same
request,

- on another connection, when the connection it was sent on is lost,
- after some silence, because the service may have lost it,
- when an error has `retry_after`, a bounded number of times and not past the deadline,
- when the answer has a link to the data that has expired,
- when API Gateway sends an error frame of its own. The frame names no request, so all unaccepted ones are sent again.

The session keeps subscriptions until the caller ends them or the service refuses them; see
`pushaside.session.subscriptions`.
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
    """The state of a client; the module's docstring describes its behaviour.

    `random` returns numbers in [0, 1), `new_id` ids that no other client uses. Every method may add effects: take them
    with `take_effects` and carry them out in order.
    """

    def __init__(self, settings: Settings, *, random: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._settings = settings
        self._random = random
        self._new_id = new_id
        self._effects: list[Effect] = []
        self._exchanges = Exchanges(settings, random, self._effects)
        self._opening = Opening(settings, random, self._effects)
        self._upkeep = Upkeep(settings, random, self._effects)
        self._large_answers = LargeAnswers(settings=settings, exchanges=self._exchanges, backoff=self._opening.backoff)
        self._gateway_faults = GatewayFaults(
            settings=settings, exchanges=self._exchanges, backoff=self._opening.backoff
        )
        self._answers = Answers(
            settings=settings, random=random, exchanges=self._exchanges, large_answers=self._large_answers
        )
        self._subscriptions = Subscriptions(settings, random, new_id, self._exchanges, self._effects)
        self._links: dict[int, Link] = {}
        self._current: Link | None = None
        self._message_bytes = messages.MESSAGE_BYTES
        self._ended: PushasideError | None = None
        self.frame_bytes = messages.FRAME_BYTES

    def take_effects(self) -> list[Effect]:
        """Remove and return the effects, in order."""
        effects = self._effects[:]
        self._effects.clear()
        return effects

    def next_at(self) -> float | None:
        """Return when `tick` is next due, if no event happens before."""
        times = [link.next_at() for link in self._links.values()]
        times += [at for at in (self._exchanges.next_at(), self._subscriptions.next_at()) if at is not None]
        return min(times, default=None)

    # The caller's side

    def start(self) -> None:
        """Open the first connection."""
        self._opening.begin()

    def ask(self, question: Question, deadline_seconds: float, now: float, *, is_watched: bool = False) -> str:
        """Ask a question, and return the id of its outcome, and of its progress if it is watched.

        Raises:
            TooLargeError: the message would exceed the size limit.
            PushasideError: the session has ended; the error gives the reason.

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
        """Drop a question whose caller no longer waits, and ignore its answer."""
        exchange = self._exchanges.get(question_id)
        if exchange is not None:
            self._exchanges.remove(exchange)

    def subscribe(self, subject: Subject, since: Position | None, now: float, accept: tuple[str, ...] = ()) -> Feed:
        """Subscribe, until `unsubscribe` or the end of the session.

        `accept` lists forms of data that this subscription reads, in addition to those that all read.

        Raises:
            TooLargeError: the message would exceed the size limit.
            PushasideError: the session has ended; the error gives the reason.

        """
        if self._ended is not None:
            raise copy.copy(self._ended)
        self._check_size(self._subscriptions.write(subject, since, accept))
        return self._subscriptions.add(subject, since, now, accept)

    def take_update(self, subscription_id: str, now: float) -> Update | None:
        """Remove and return the next update of a subscription; None if there is none."""
        return self._subscriptions.take(subscription_id, now)

    def unsubscribe(self, subscription_id: str, now: float) -> None:
        """End a subscription."""
        self._subscriptions.remove(subscription_id, now)

    def end(self, error: PushasideError) -> None:
        """End the session: all unanswered and all later questions fail with the error."""
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
        """Send `hello` and all waiting questions on a new connection; drain the connection before it."""
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
            # Only the replacement failed; the current connection still works.
            self._current.replace_at = now + self._settings.backoff_cap_seconds

    def link_lost(self, link_id: int, now: float) -> None:
        """Send the questions of a lost connection on another one."""
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
            # A connection on which nothing arrived counts as a failed attempt, so that the client backs off.
            self.connect_failed(CannotConnectError("The connection closed before a message arrived."), now)

    def received(self, link_id: int, message: ServerMessage, now: float) -> None:
        """Handle a message from any connection, also from one that is closing."""
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
        """Report how many bytes of an answer's data have arrived."""
        self._large_answers.note_fetching(question_id, received, expected)

    def fetched(self, question_id: str, outcome: Result | FetchFailure, now: float) -> None:
        """Handle the outcome of fetching an answer's data."""
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
            raise TooLargeError(f"The request has {len(message)} bytes; the limit is {self._message_bytes}.")

    # Answers

    def _take_piece(self, link: Link | None, piece: Piece, now: float) -> None:
        # After the connection is lost, no more pieces follow.
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
            logger.warning("the service refused the hello: %s", failed.error.message)
            link.hello_at = None
        elif failed.id is None:
            # All messages of this client have an id, except for pings.
            self._answers.fail_ping(link, failed.error, now)
        elif (exchange := self._exchanges.get(failed.id)) is None:
            logger.debug("ignored an error of %s, which has ended", failed.id)
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
