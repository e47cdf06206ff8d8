"""What becomes of what is asked when it is answered, refused or left unanswered."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

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


class Answers:
    """Settles exchanges by what comes for them, or has them asked again; `random` gives numbers in [0, 1)."""

    def __init__(
        self, settings: Settings, random: Callable[[], float], exchanges: Exchanges, large_answers: LargeAnswers
    ) -> None:
        self._settings = settings
        self._random = random
        self._exchanges = exchanges
        self._large_answers = large_answers

    def take_result(self, result: Result | Linked) -> None:
        """Take a result, or a link to one."""
        exchange = self._exchanges.get(result.id)
        if exchange is None or not isinstance(exchange.question, ComputeQuestion):
            logger.debug("ignored a result of %s, which is settled", result.id)
        elif isinstance(result, Result):
            self._exchanges.settle(exchange, result)
        else:
            self._large_answers.take_linked(exchange, result)

    def take_published(self, published: Published) -> None:
        """Take the position that something was published at."""
        exchange = self._exchanges.get(published.id)
        if exchange is None or not isinstance(exchange.question, PublishQuestion):
            logger.debug("ignored that %s is published, which is settled", published.id)
        else:
            self._exchanges.settle(exchange, published)

    def take_accepted(self, accepted: Accepted) -> None:
        """Note that a question will be answered."""
        exchange = self._exchanges.get(accepted.id)
        if exchange is not None:
            exchange.accepted = True
            self._exchanges.report(exchange, "accepted")

    def take_error(self, exchange: Exchange, error: PushasideError, now: float) -> None:
        """Take an error: ask again later if it says when to come back, or settle what it is about."""
        if exchange.linked is not None:
            logger.debug("ignored an error of %s, whose result is being fetched", exchange.id)
            return
        if not error.retryable or error.retry_after is None:
            self._exchanges.settle(exchange, error)
            return
        if exchange.link is None:
            logger.debug("ignored an error of %s, which waits to be asked again", exchange.id)
            return
        at = now + growing(0, self._random(), base_seconds=error.retry_after, cap_seconds=math.inf)
        if at >= exchange.deadline or exchange.retries >= self._settings.max_retries:
            self._exchanges.settle(exchange, error)
        else:
            self._exchanges.ask_later(exchange, at, trouble=error.message)

    def time_out(self, exchange: Exchange, *, is_connected: bool) -> None:
        """Settle what had no answer before its deadline."""
        sentences = [f"There was no answer within {exchange.deadline - exchange.opened_at:g} s."]
        if exchange.trouble:
            sentences.append(f"Before: {exchange.trouble}")
        if not is_connected:
            sentences.append("There is no connection to the service.")
        self._exchanges.settle(exchange, RequestTimeoutError(" ".join(sentences)))

    def take_pong(self, link: Link | None, now: float) -> None:
        """Take the answer to the oldest ping on a connection."""
        exchange = None if link is None else self._exchanges.get(link.take_ping(now)[1])
        if exchange is not None:
            self._exchanges.settle(exchange, now - exchange.asked_at)

    def fail_ping(self, link: Link | None, error: PushasideError, now: float) -> None:
        """Take an error that names nothing: of all that is asked only a ping has no id."""
        exchange = None if link is None else self._exchanges.get(link.take_ping(now)[1])
        if exchange is not None:
            self._exchanges.settle(exchange, error)
        else:
            logger.warning("the service reports an error without saying of what: %s", error.message)
