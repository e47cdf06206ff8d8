"""The handling of answers that arrive in pieces, or with a link in place of their data."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from pushaside.errors import TooLargeError, UnreadableResultError
from pushaside.protocol.messages import Answer, Failed, Linked, Piece, Result, read_message
from pushaside.protocol.topic_messages import Subscribed
from pushaside.session.effects import FetchFailure, Remedy
from pushaside.session.exchanges import Exchange, Exchanges
from pushaside.settings import Settings

logger = logging.getLogger("pushaside")


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeAnswers:
    """Completes large answers; `backoff` returns the seconds to wait before attempt 0, 1, ..."""

    settings: Settings
    exchanges: Exchanges
    backoff: Callable[[int], float]

    def take_piece(self, link_id: int, piece: Piece, now: float) -> Answer | None:
        """Handle a piece that arrived on a connection; return the answer once it is complete."""
        exchange = self.exchanges.get(piece.id)
        if exchange is None or exchange.linked is not None:
            logger.debug("ignored a piece of an answer to %s", piece.id)
            return None
        self.exchanges.hear(exchange, now)
        try:
            text = self.exchanges.pieces.take(link_id, piece)
        except TooLargeError as exc:
            self.exchanges.settle(exchange, exc)
            return None
        received = piece.count if text is not None else self.exchanges.pieces.count(link_id, piece)
        self.exchanges.report(exchange, "receiving", received, piece.count)
        return None if text is None else self._read_whole(exchange, text)

    def take_linked(self, exchange: Exchange, linked: Linked) -> None:
        """Fetch the data of an answer with a link, unless another link of the request is being fetched."""
        if exchange.linked is None:
            self.exchanges.fetch(exchange, linked)

    def note_fetching(self, question_id: str, received: int, expected: int | None) -> None:
        """Report how many bytes behind a link have arrived."""
        exchange = self.exchanges.get(question_id)
        if exchange is not None and exchange.is_fetching:
            self.exchanges.report(exchange, "fetching", received, expected, "bytes")

    def take_fetched(self, question_id: str, outcome: Result | FetchFailure, now: float) -> None:
        """Handle the outcome of a fetch."""
        exchange = self.exchanges.get(question_id)
        if exchange is None or not exchange.is_fetching:
            return
        if isinstance(outcome, Result):
            self.exchanges.settle(exchange, outcome)
            return
        error = outcome.error
        again = now + self.backoff(exchange.fetches - 1)
        if not self._can_try_again(exchange, outcome.remedy) or again >= exchange.deadline:
            self.exchanges.settle(exchange, error)
        elif outcome.remedy is Remedy.FETCH_AGAIN:
            self.exchanges.fetch_later(exchange, again, trouble=error.message)
        else:
            self.exchanges.ask_later(exchange, again, trouble=error.message)

    def _can_try_again(self, exchange: Exchange, remedy: Remedy) -> bool:
        if remedy is Remedy.FETCH_AGAIN:
            return exchange.fetches < self.settings.fetch_attempts
        return remedy is Remedy.ASK_AGAIN and exchange.retries < self.settings.max_retries

    def _read_whole(self, exchange: Exchange, text: bytes) -> Answer | None:
        message = read_message(text, self.settings.max_result_bytes)
        if isinstance(message, Result | Linked | Failed | Subscribed) and message.id == exchange.id:
            return message
        error = UnreadableResultError("The pieces of the result do not form an answer.")
        self.exchanges.settle(exchange, error)
        return None
