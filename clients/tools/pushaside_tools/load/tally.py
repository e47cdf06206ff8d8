"""Counts of requests and messages. Tallies of several processes and seconds add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from pushaside_tools.load.histogram import Histogram


@dataclass(slots=True)
class TopicTally:
    """Counts of channels: `published` messages were sent, and `confirmed` ones were answered with their positions.

    `delivered` counts first receptions by a subscriber, and `reordered` those of them after a later message. `doubled`
    messages were received again, `lost` ones never. `skipped` counts lost messages that a `resync` replaced.
    `unconfirmed` messages were never answered. `delivery` is the time from when a message was due until a subscriber
    received it, `publishing` until its publisher received its position.
    """

    subscribed: int = 0
    published: int = 0
    confirmed: int = 0
    unconfirmed: int = 0
    unsent: int = 0
    delivered: int = 0
    lost: int = 0
    skipped: int = 0
    doubled: int = 0
    reordered: int = 0
    received_bytes: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    delivery: Histogram = field(default_factory=Histogram)
    publishing: Histogram = field(default_factory=Histogram)

    def add(self, other: TopicTally) -> None:
        """Add the counts of another tally."""
        _add_fields(self, other)

    @property
    def has_flaw(self) -> bool:
        """Whether a subscriber did not receive each message once and in order, or a publisher no answer."""
        flaws = (self.lost, self.doubled, self.reordered, self.unsent, self.unconfirmed)
        return any(flaws) or self.wrong.total() > 0


@dataclass(slots=True)
class Tally:
    """Counts of one process since its last report.

    `latency` starts when a request was due and `since_sent` when it was sent, which differ in the open model.
    `sources` counts results by their field `cache`, `wrong` by the flaw. `late` answers arrived after their requests
    were counted as lost, `linked` ones had a link in place of data. `faults` are API Gateway's own error messages.
    """

    sent: int = 0
    unsent: int = 0
    lost: int = 0
    doubled: int = 0
    late: int = 0
    linked: int = 0
    faults: int = 0
    opened: int = 0
    closed: int = 0
    received_bytes: int = 0
    cpu_seconds: float = 0.0
    sources: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    latency: Histogram = field(default_factory=Histogram)
    since_sent: Histogram = field(default_factory=Histogram)
    connecting: Histogram = field(default_factory=Histogram)
    topics: TopicTally = field(default_factory=TopicTally)

    def add(self, other: Tally) -> None:
        """Add the counts of another tally."""
        _add_fields(self, other)

    @property
    def results(self) -> int:
        """The number of requests that ended in a result."""
        return self.sources.total()

    @property
    def has_flaw(self) -> bool:
        """Whether a request or message could not be sent, or was lost, doubled or wrong."""
        return bool(self.unsent or self.lost or self.doubled or self.wrong.total() or self.topics.has_flaw)


@dataclass(frozen=True, slots=True)
class Interval:
    """The counts of one process between two times of `time.monotonic`."""

    process: int
    began: float
    ended: float
    tally: Tally


def _add_fields(mine: Any, other: Any) -> None:  # noqa: ANN401  (two tallies of one kind)
    for each in fields(mine):
        held, more = getattr(mine, each.name), getattr(other, each.name)
        if isinstance(held, Counter):
            held.update(more)
        elif isinstance(held, int | float):
            setattr(mine, each.name, held + more)
        else:
            held.add(more)
