"""The handling of answers, errors and timeouts of questions."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from pushaside.backoff import growing
from pushaside.errors import PushasideError, RequestTimeoutError
from pushaside.protocol.messages import Accepted, Linked, Result
from pushaside.protocol.questions import ComputeQuestion
from pushaside.protocol.topic_messages import Published
from pushaside.protocol.topic_questions import PublishQuestion
from pushaside.session.exchanges import Exchange, Exchanges
from pushaside.session.large_answers import LargeAnswers
from pushaside.session.links import Link
from pushaside.settings import Settings

logger = logging.getLogger("pushaside")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Settles exchanges by their answers, or retries them; `random` returns numbers in [0, 1)."""

    settings: Settings
    random: Callable[[], float]
    exchanges: Exchanges
    large_answers: LargeAnswers

    def take_result(self, result: Result | Linked) -> None:
        """Handle a result, or a link to one."""
        exchange = self.exchanges.get(result.id)
        if exchange is None or not isinstance(exchange.question, ComputeQuestion):
            logger.debug("ignored a result of %s, which has ended", result.id)
        elif isinstance(result, Result):
            self.exchanges.settle(exchange, result)
        else:
            self.large_answers.take_linked(exchange, result)

    def take_published(self, published: Published) -> None:
        """Handle the position of a publication."""
        exchange = self.exchanges.get(published.id)
        if exchange is None or not isinstance(exchange.question, PublishQuestion):
            logger.debug("ignored the publication of %s, which has ended", published.id)
        else:
            self.exchanges.settle(exchange, published)

    def take_accepted(self, accepted: Accepted) -> None:
        """Note that the service will answer a question."""
        exchange = self.exchanges.get(accepted.id)
        if exchange is not None:
            exchange.accepted = True
            self.exchanges.report(exchange, "accepted")

    def take_error(self, exchange: Exchange, error: PushasideError, now: float) -> None:
        """Handle an error: retry later if it has `retry_after`, and settle the question otherwise."""
        if exchange.linked is not None:
            logger.debug("ignored an error of %s, whose data is being fetched", exchange.id)
            return
        if not error.retryable or error.retry_after is None:
            self.exchanges.settle(exchange, error)
            return
        if exchange.link is None:
            logger.debug("ignored an error of %s, which waits for its retry", exchange.id)
            return
        at = now + growing(0, self.random(), base_seconds=error.retry_after, cap_seconds=math.inf)
        if at >= exchange.deadline or exchange.retries >= self.settings.max_retries:
            self.exchanges.settle(exchange, error)
        else:
            self.exchanges.ask_later(exchange, at, trouble=error.message)

    def time_out(self, exchange: Exchange, *, is_connected: bool) -> None:
        """Settle a question without an answer at its deadline."""
        sentences = [f"There was no answer within {exchange.deadline - exchange.opened_at:g} s."]
        if exchange.trouble:
            sentences.append(f"Before: {exchange.trouble}")
        if not is_connected:
            sentences.append("There is no connection to the service.")
        self.exchanges.settle(exchange, RequestTimeoutError(" ".join(sentences)))

    def take_pong(self, link: Link | None, now: float) -> None:
        """Handle the answer to the oldest ping on a connection."""
        exchange = None if link is None else self.exchanges.get(link.take_ping(now)[1])
        if exchange is not None:
            self.exchanges.settle(exchange, now - exchange.asked_at)

    def fail_ping(self, link: Link | None, error: PushasideError, now: float) -> None:
        """Handle an error without an id: of all questions, only a ping has none."""
        exchange = None if link is None else self.exchanges.get(link.take_ping(now)[1])
        if exchange is not None:
            self.exchanges.settle(exchange, error)
        else:
            logger.warning("the service reports an error without an id: %s", error.message)
