"""The state of one connection: its unanswered messages, its pings and its age."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pushaside.settings import Settings


@dataclass(slots=True)
class Link:
    """An open connection. Times are those of the caller's clock, in seconds.

    `replace_at` is when the client should open another connection in its place. `drain_until` is set once it has (or
    the service sent `bye`): at that time this connection closes even if answers are missing. `feeds` are the
    subscriptions that are active on it.
    """

    id: int
    settings: Settings
    opened_at: float
    hello_id: str
    replace_at: float
    hello_at: float | None = None
    hellos: int = 0
    heard_at: float | None = None
    sent_at: float = 0.0
    probed_at: float | None = None
    drain_until: float | None = None
    unanswered: dict[str, None] = field(default_factory=dict)
    feeds: set[str] = field(default_factory=set)
    _pings: deque[tuple[str | None, float]] = field(default_factory=deque)

    def hear(self, now: float) -> None:
        """Note that a message arrived, so the connection is alive."""
        self.heard_at = now
        self.probed_at = None

    def note_ping(self, ping_id: str | None, now: float) -> None:
        """Note that a ping is sent; pings of the keep-alive have no id."""
        self._pings.append((ping_id, now))
        if self.probed_at is None:
            self.probed_at = now

    def take_ping(self, now: float) -> tuple[bool, str | None]:
        """Remove the oldest ping that may still be answered; return whether there is one, and its id."""
        while self._pings:
            ping_id, sent_at = self._pings.popleft()
            # Pongs carry no id. Without this, one lost pong would shift the answers of all later pings.
            if now - sent_at <= self.settings.pong_timeout_seconds:
                return True, ping_id
        return False, None

    def is_silent_since(self, moment: float) -> bool:
        """Tell whether nothing has arrived since a moment, and no ping is unanswered."""
        return self.probed_at is None and (self.heard_at is None or self.heard_at < moment)

    @property
    def dead_at(self) -> float | None:
        """Return the time at which silence means a lost connection; None while no ping is unanswered."""
        return None if self.probed_at is None else self.probed_at + self.settings.pong_timeout_seconds

    @property
    def keepalive_at(self) -> float | None:
        """Return the time at which the next ping is due; None while one is unanswered.

        The ping keeps API Gateway from closing an idle connection. With subscriptions, it also detects a silent loss,
        which sent messages do not.
        """
        if self.probed_at is not None:
            return None
        heard_at = max(self.opened_at, self.heard_at or 0.0)
        idle_at = max(heard_at, self.sent_at) + self.settings.keepalive_seconds
        if not self.feeds:
            return idle_at
        return min(idle_at, heard_at + self.settings.subscribed_keepalive_seconds)

    def is_dead(self, now: float) -> bool:
        """Tell whether a ping has been unanswered for too long."""
        return self.dead_at is not None and self.dead_at <= now

    def is_drained(self, now: float) -> bool:
        """Tell whether its time to finish has passed."""
        return self.drain_until is not None and self.drain_until <= now

    @property
    def is_over(self) -> bool:
        """Whether a replaced connection has nothing left to finish."""
        return self.drain_until is not None and not self.unanswered and not self.feeds

    def next_at(self) -> float:
        """Return when this connection next needs attention."""
        if self.is_over:
            return self.opened_at
        at = self.replace_at if self.drain_until is None else self.drain_until
        for other in (self.dead_at, self.keepalive_at, self.hello_at):
            if other is not None and other < at:
                at = other
        return at
