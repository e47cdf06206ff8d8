"""What was counted; tallies of several processes and seconds add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from pushaside_tools.load.histogram import Histogram


@dataclass(slots=True)
class TopicTally:
    """Counts of the channels' side: `published` were sent, of which `confirmed` were answered with their positions.

    `delivered` counts what came to a subscriber for the first time; `reordered` of these came after a later message,
    and `lost` never came, whereas `doubled` came once more. `skipped` of the lost are those that a `resync` spoke for.
    `unconfirmed` were never answered. `delivery` is from when a message was due to when a subscriber had it,
    `publishing` to when its publisher was told its position.
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
        """Count all that the other has counted."""
        _add_fields(self, other)

    @property
    def has_flaw(self) -> bool:
        """Whether a subscriber had not each message once and in order, or a publisher no answer."""
        flaws = (self.lost, self.doubled, self.reordered, self.unsent, self.unconfirmed)
        return any(flaws) or self.wrong.total() > 0


@dataclass(slots=True)
class Tally:
    """Counts of one process since its last report.

    `latency` begins when a request was due, `since_sent` when it was sent: they differ in the open model. `sources`
    counts results by the cache's word, `wrong` by what was wrong. `late` came after they were counted as lost, `linked`
    had a link in place of data, `faults` are API Gateway's own error messages.
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
        """Count all that the other has counted."""
        _add_fields(self, other)

    @property
    def results(self) -> int:
        """How many requests ended in a result."""
        return self.sources.total()

    @property
    def has_flaw(self) -> bool:
        """Whether something could not be sent, or was lost, doubled or wrong."""
        return bool(self.unsent or self.lost or self.doubled or self.wrong.total() or self.topics.has_flaw)


@dataclass(frozen=True, slots=True)
class Interval:
    """What one process counted from one moment to another, of `time.monotonic`."""

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
