"""What becomes of requests when API Gateway reports a fault of its own, which names none of them."""

from __future__ import annotations

from collections.abc import Callable

from pushaside.errors import ForbiddenError, InternalError
from pushaside.protocol.messages import GatewayFault
from pushaside.session.exchanges import Exchange, Exchanges
from pushaside.session.links import Link
from pushaside.settings import Settings


class GatewayFaults:
    """Has those asked again that a fault may concern; `backoff` gives the seconds to wait before a try, from 0.

    "Forbidden" means that no route takes a message, and asking again does not help. It is put down to an unanswered
    `hello` or ping if there is one. If not, it concerns a request, and as all requests go by the same route, all that
    are not accepted yet fail.
    """

    def __init__(self, settings: Settings, exchanges: Exchanges, backoff: Callable[[int], float]) -> None:
        self._settings = settings
        self._exchanges = exchanges
        self._backoff = backoff

    def take(self, link: Link, fault: GatewayFault, now: float) -> None:
        """Take what API Gateway said on a connection."""
        if fault.message == "Forbidden":
            self._take_forbidden(link, now)
            return
        if link.hello_at is not None:
            link.hello_at = min(link.hello_at, now + self._backoff(link.hellos))
        for exchange in self._suspects(link):
            if exchange.retries >= self._settings.max_retries:
                self._exchanges.settle(exchange, InternalError(f"API Gateway answered: {fault.message}."))
            else:
                at = now + self._backoff(exchange.retries)
                self._exchanges.ask_later(exchange, at, trouble=f"API Gateway answered: {fault.message}.")

    def _take_forbidden(self, link: Link, now: float) -> None:
        suspects = self._suspects(link)
        if link.hello_at is not None:
            link.hello_at = None
            return
        is_ping, ping_id = link.take_ping(now)
        if is_ping:
            ping = self._exchanges.get(ping_id)
            suspects = [] if ping is None else [ping]
        for exchange in suspects:
            self._exchanges.settle(exchange, ForbiddenError("API Gateway has no route for the message."))

    def _suspects(self, link: Link) -> list[Exchange]:
        """List what a fault that names nothing may concern: not pings, which go without a function."""
        return [each for each in self._exchanges.on(link) if each.question.asked_again and not each.accepted]
