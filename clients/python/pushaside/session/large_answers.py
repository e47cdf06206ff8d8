"""What becomes of answers that do not come whole: in pieces, or with a link in place of their data."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pushaside.errors import TooLargeError, UnreadableResultError
from pushaside.protocol.messages import Answer, Failed, Linked, Piece, Result, read_message
from pushaside.protocol.topic_messages import Subscribed
from pushaside.session.effects import FetchFailure, Remedy
from pushaside.session.exchanges import Exchange, Exchanges
from pushaside.settings import Settings

logger = logging.getLogger("pushaside")


class LargeAnswers:
    """Makes whole answers of them; `backoff` gives the seconds to wait before a try, counted from 0."""

    def __init__(self, settings: Settings, exchanges: Exchanges, backoff: Callable[[int], float]) -> None:
        self._settings = settings
        self._exchanges = exchanges
        self._backoff = backoff

    def take_piece(self, link_id: int, piece: Piece, now: float) -> Answer | None:
        """Take a piece that came on a connection; return the answer once it is whole."""
        exchange = self._exchanges.get(piece.id)
        if exchange is None or exchange.linked is not None:
            logger.debug("ignored a piece of an answer to %s", piece.id)
            return None
        self._exchanges.hear(exchange, now)
        try:
            text = self._exchanges.pieces.take(link_id, piece)
        except TooLargeError as exc:
            self._exchanges.settle(exchange, exc)
            return None
        received = piece.count if text is not None else self._exchanges.pieces.count(link_id, piece)
        self._exchanges.report(exchange, "receiving", received, piece.count)
        return None if text is None else self._read_whole(exchange, text)

    def take_linked(self, exchange: Exchange, linked: Linked) -> None:
        """Take an answer with a link; while one is followed, others are not."""
        if exchange.linked is None:
            self._exchanges.fetch(exchange, linked)

    def note_fetching(self, question_id: str, received: int, expected: int | None) -> None:
        """Note how many bytes are there of what a link leads to."""
        exchange = self._exchanges.get(question_id)
        if exchange is not None and exchange.is_fetching:
            self._exchanges.report(exchange, "fetching", received, expected, "bytes")

    def take_fetched(self, question_id: str, outcome: Result | FetchFailure, now: float) -> None:
        """Take what following a link came to."""
        exchange = self._exchanges.get(question_id)
        if exchange is None or not exchange.is_fetching:
            return
        if isinstance(outcome, Result):
            self._exchanges.settle(exchange, outcome)
            return
        error = outcome.error
        again = now + self._backoff(exchange.fetches - 1)
        if not self._can_try_again(exchange, outcome.remedy) or again >= exchange.deadline:
            self._exchanges.settle(exchange, error)
        elif outcome.remedy is Remedy.FETCH_AGAIN:
            self._exchanges.fetch_later(exchange, again, trouble=error.message)
        else:
            self._exchanges.ask_later(exchange, again, trouble=error.message)

    def _can_try_again(self, exchange: Exchange, remedy: Remedy) -> bool:
        if remedy is Remedy.FETCH_AGAIN:
            return exchange.fetches < self._settings.fetch_attempts
        return remedy is Remedy.ASK_AGAIN and exchange.retries < self._settings.max_retries

    def _read_whole(self, exchange: Exchange, text: bytes) -> Answer | None:
        message = read_message(text, self._settings.max_result_bytes)
        if isinstance(message, Result | Linked | Failed | Subscribed) and message.id == exchange.id:
            return message
        error = UnreadableResultError("The result came in pieces that do not make a whole.")
        self._exchanges.settle(exchange, error)
        return None
