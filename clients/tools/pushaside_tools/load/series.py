"""What was counted, second by second, for as long as a run takes and in memory that does not grow with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pushaside_tools.load.tally import Interval, Tally

MOST_POINTS = 240
"""More would not be seen in a plot."""


@dataclass(slots=True)
class Point:
    """What all processes counted in one step of the time; `spans` has, by process, the seconds that were counted."""

    tally: Tally = field(default_factory=Tally)
    spans: dict[int, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long was counted: less than a step at the end of a run."""
        return max(self.spans.values(), default=0.0)

    def add(self, tally: Tally, process: int, seconds: float) -> None:
        """Count what a process has counted in so many seconds."""
        self.tally.add(tally)
        self.spans[process] = self.spans.get(process, 0.0) + seconds

    def join(self, later: Point) -> None:
        """Count what the point after this one has."""
        self.tally.add(later.tally)
        for process, seconds in later.spans.items():
            self.spans[process] = self.spans.get(process, 0.0) + seconds


class Series:
    """Points of the time from `origin` on, of a second each; whenever there would be too many, of twice as long."""

    def __init__(self, origin: float, most: int = MOST_POINTS) -> None:
        self.step = 1.0
        self.points: list[Point] = []
        self._origin = origin
        self._most = most

    def add(self, interval: Interval) -> None:
        """Count an interval in the step that its middle is in, or in the first if it is before all."""
        began = max(interval.began, self._origin)
        index = self._index_of((began + interval.ended) / 2)
        while index >= self._most:
            self._join_pairs()
            index = self._index_of((began + interval.ended) / 2)
        while len(self.points) <= index:
            self.points.append(Point())
        self.points[index].add(interval.tally, interval.process, max(0.0, interval.ended - began))

    def _index_of(self, moment: float) -> int:
        return max(0, int((moment - self._origin) / self.step))

    def _join_pairs(self) -> None:
        for earlier, later in zip(self.points[::2], self.points[1::2], strict=False):
            earlier.join(later)
        self.points = self.points[::2]
        self.step *= 2
