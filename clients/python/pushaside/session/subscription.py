"""The state of one subscription: where it is active, and which step is planned for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto

from pushaside.protocol.topic_messages import Pushed
from pushaside.protocol.topic_questions import SubscribeQuestion
from pushaside.session.exchanges import Exchange
from pushaside.session.feeds import Feed
from pushaside.session.links import Link


class Plan(Enum):
    """The planned step of a subscription."""

    CLOSE_GAP = auto()
    """Resubscribe, unless the missing message has arrived by then."""
    ASK = auto()
    FETCH = auto()


@dataclass(slots=True, eq=False)
class Subscription:
    """A feed and its source: the link on which it is active, or the exchange that subscribes."""

    feed: Feed
    question: SubscribeQuestion
    exchange: Exchange | None = None
    link: Link | None = None
    asked_at: float = -math.inf
    failures: int = 0
    plan: Plan | None = None
    fetching: Pushed | None = None
    fetches: int = 0

    def move(self, link: Link | None) -> None:
        """Note the link on which it is active from now on; None for none."""
        if self.link is not None:
            self.link.feeds.discard(self.feed.id)
        self.link = link
        if self.feed.holds is not (link is not None):
            self.feed.holds = link is not None
            self.feed.has_news = True
        if link is not None:
            link.feeds.add(self.feed.id)
