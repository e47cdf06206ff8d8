"""The upkeep of connections: `hello`, pings, early replacement, and draining."""

from __future__ import annotations

import math
from collections.abc import Callable

from pushaside.backoff import a_little_early, growing
from pushaside.protocol import questions
from pushaside.protocol.messages import Welcome
from pushaside.session.effects import Effect, Send
from pushaside.session.links import Link
from pushaside.settings import Settings


class Upkeep:
    """Maintains links; `session` is the id of this client's session, once the service has sent it."""

    def __init__(self, settings: Settings, random: Callable[[], float], effects: list[Effect]) -> None:
        self._settings = settings
        self._random = random
        self._effects = effects
        self._accept = questions.GZIP if settings.accept_gzip else ()
        self.session: str | None = None

    def make_link(self, link_id: int, hello_id: str, now: float) -> Link:
        """Return the link of a connection that has just opened, and send `hello` on it."""
        lifetime = a_little_early(self._settings.max_connection_seconds, self._random())
        link = Link(link_id, self._settings, now, hello_id, replace_at=now + lifetime)
        self._greet(link, now)
        return link

    def welcome(self, link: Link, welcome: Welcome) -> None:
        """Handle the answer to `hello`."""
        self.session = welcome.session or self.session
        link.hello_at = None
        if welcome.reconnect_after_seconds:
            lifetime = a_little_early(welcome.reconnect_after_seconds, self._random())
            # However short the service's time is, connections open no faster than attempts.
            link.replace_at = link.opened_at + max(lifetime, self._settings.backoff_base_seconds)

    def leave_soon(self, link: Link) -> None:
        """Note that another connection is opening in place of this one."""
        link.replace_at = math.inf

    def retire(self, link: Link, now: float) -> None:
        """Keep a connection open only for the answers that are still to arrive on it."""
        link.drain_until = now + self._settings.drain_seconds
        link.replace_at = math.inf
        link.hello_at = None

    def probe(self, link: Link, since: float, now: float) -> None:
        """Send a ping if nothing has arrived since a moment."""
        if link.is_silent_since(since):
            self._ping(link, now)

    def attend(self, link: Link, now: float) -> bool:
        """Do what is due for a connection; tell whether it is time to replace it."""
        if link.hello_at is not None and link.hello_at <= now:
            link.hello_at = None
            # A service that never answers `hello` does not need it.
            if link.hellos <= self._settings.max_retries:
                self._greet(link, now)
        if link.keepalive_at is not None and link.keepalive_at <= now:
            self._ping(link, now)
        is_due = link.replace_at <= now
        if is_due:
            link.replace_at = math.inf
        return is_due

    def _greet(self, link: Link, now: float) -> None:
        """Send `hello`, and plan to send it again if no answer arrives."""
        link.hello_at = now + growing(
            link.hellos,
            self._random(),
            base_seconds=self._settings.reask_seconds,
            cap_seconds=self._settings.reask_cap_seconds,
        )
        link.hellos += 1
        self._send(link, questions.write_hello(link.hello_id, self.session, self._accept), now)

    def _ping(self, link: Link, now: float) -> None:
        link.note_ping(None, now)
        self._send(link, questions.PING, now)

    def _send(self, link: Link, message: bytes, now: float) -> None:
        link.sent_at = now
        self._effects.append(Send(link.id, message))
