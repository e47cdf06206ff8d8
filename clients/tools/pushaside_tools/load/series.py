"""The counts of a run over time, in memory that does not grow with its duration."""

from __future__ import annotations

from dataclasses import dataclass, field

from pushaside_tools.load.tally import Interval, Tally

MOST_POINTS = 240
"""A plot cannot show more points."""


@dataclass(slots=True)
class Point:
    """The counts of all processes in one step of time. `spans` has the seconds that each process counted."""

    tally: Tally = field(default_factory=Tally)
    spans: dict[int, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """The seconds that were counted: less than a step at the end of a run."""
        return max(self.spans.values(), default=0.0)

    def add(self, tally: Tally, process: int, seconds: float) -> None:
        """Add the counts of a process in that many seconds."""
        self.tally.add(tally)
        self.spans[process] = self.spans.get(process, 0.0) + seconds

    def join(self, later: Point) -> None:
        """Add the counts of the next point."""
        self.tally.add(later.tally)
        for process, seconds in later.spans.items():
            self.spans[process] = self.spans.get(process, 0.0) + seconds


class Series:
    """Points of one second each from `origin` on. When there are too many, each two are joined into one."""

    def __init__(self, origin: float, most: int = MOST_POINTS) -> None:
        self.step = 1.0
        self.points: list[Point] = []
        self._origin = origin
        self._most = most

    def add(self, interval: Interval) -> None:
        """Add an interval to the step that contains its middle, or to the first step if it is earlier."""
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
