"""The handling of API Gateway's own error frames, which name no request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pushaside.errors import ForbiddenError, InternalError
from pushaside.protocol.messages import GatewayFault
from pushaside.session.exchanges import Exchange, Exchanges
from pushaside.session.links import Link
from pushaside.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayFaults:
    """Retries the requests that a fault may concern; `backoff` returns the seconds to wait before attempt 0, 1, ...

    "Forbidden" means that a route is missing, and a retry does not help. It is attributed to an unanswered `hello` or
    ping if there is one. Otherwise it concerns a request. All requests use the same route, so all that are not accepted
    yet fail.
    """

    settings: Settings
    exchanges: Exchanges
    backoff: Callable[[int], float]

    def take(self, link: Link, fault: GatewayFault, now: float) -> None:
        """Handle an error frame that arrived on a connection."""
        if fault.message == "Forbidden":
            self._take_forbidden(link, now)
            return
        if link.hello_at is not None:
            link.hello_at = min(link.hello_at, now + self.backoff(link.hellos))
        for exchange in self._suspects(link):
            if exchange.retries >= self.settings.max_retries:
                self.exchanges.settle(exchange, InternalError(f"API Gateway answered: {fault.message}."))
            else:
                at = now + self.backoff(exchange.retries)
                self.exchanges.ask_later(exchange, at, trouble=f"API Gateway answered: {fault.message}.")

    def _take_forbidden(self, link: Link, now: float) -> None:
        suspects = self._suspects(link)
        if link.hello_at is not None:
            link.hello_at = None
            return
        is_ping, ping_id = link.take_ping(now)
        if is_ping:
            ping = self.exchanges.get(ping_id)
            suspects = [] if ping is None else [ping]
        for exchange in suspects:
            self.exchanges.settle(exchange, ForbiddenError("API Gateway has no route for the message."))

    def _suspects(self, link: Link) -> list[Exchange]:
        """List the exchanges that a fault may concern: not pings, which start no function."""
        return [each for each in self.exchanges.on(link) if each.question.asked_again and not each.accepted]
