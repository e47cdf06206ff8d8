"""What was counted; tallies of several processes and seconds add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields

from pushaside.load.histogram import Histogram


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

    def add(self, other: Tally) -> None:
        """Count all that the other has counted."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Histogram):
                mine.add(theirs)
            elif isinstance(mine, Counter):
                mine.update(theirs)
            else:
                setattr(self, each.name, mine + theirs)

    @property
    def results(self) -> int:
        """How many requests ended in a result."""
        return self.sources.total()

    @property
    def is_flawless(self) -> bool:
        """Whether everything was sent, nothing was lost, doubled or wrong, and there was a result at all."""
        return self.results > 0 and not (self.unsent or self.lost or self.doubled or self.wrong.total())
