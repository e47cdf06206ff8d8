"""What keeps connections in order: greeting, pinging, replacing before their time, letting go."""

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
    """Looks after links; `session` is what the service calls this client's session, once it has said so."""

    def __init__(self, settings: Settings, random: Callable[[], float], effects: list[Effect]) -> None:
        self._settings = settings
        self._random = random
        self._effects = effects
        self._accept = questions.GZIP if settings.accept_gzip else ()
        self.session: str | None = None

    def make_link(self, link_id: int, hello_id: str, now: float) -> Link:
        """Take charge of a connection that has just opened, and greet on it."""
        lifetime = a_little_early(self._settings.max_connection_seconds, self._random())
        link = Link(link_id, self._settings, now, hello_id, replace_at=now + lifetime)
        self._greet(link, now)
        return link

    def welcome(self, link: Link, welcome: Welcome) -> None:
        """Take the answer to the greeting."""
        self.session = welcome.session or self.session
        link.hello_at = None
        if welcome.reconnect_after_seconds:
            lifetime = a_little_early(welcome.reconnect_after_seconds, self._random())
            # However short the service makes it, connections do not follow each other faster than attempts.
            link.replace_at = link.opened_at + max(lifetime, self._settings.backoff_base_seconds)

    def leave_soon(self, link: Link) -> None:
        """Note that another connection is being opened in place of this one."""
        link.replace_at = math.inf

    def retire(self, link: Link, now: float) -> None:
        """Keep a connection only for the answers that are still to come on it."""
        link.drain_until = now + self._settings.drain_seconds
        link.replace_at = math.inf
        link.hello_at = None

    def probe(self, link: Link, since: float, now: float) -> None:
        """Ask for a sign of life if nothing at all has come for a while."""
        if link.is_silent_since(since):
            self._ping(link, now)

    def attend(self, link: Link, now: float) -> bool:
        """Do what is due for a connection; tell whether another one is due in its place."""
        if link.hello_at is not None and link.hello_at <= now:
            link.hello_at = None
            # A service that never says welcome can do without being greeted.
            if link.hellos <= self._settings.max_retries:
                self._greet(link, now)
        if link.keepalive_at is not None and link.keepalive_at <= now:
            self._ping(link, now)
        is_due = link.replace_at <= now
        if is_due:
            link.replace_at = math.inf
        return is_due

    def _greet(self, link: Link, now: float) -> None:
        """Say hello, and plan to say it again should it get lost."""
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
