"""The times of events at a fixed rate, shared evenly by several processes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """`rate` events a second from 0 on, at even intervals. Each of n processes has every nth event.

    >>> second = Schedule(rate=100.0, process=1, processes=2)
    >>> [round(second.at(index), 3) for index in range(3)]
    [0.01, 0.03, 0.05]
    """

    rate: float
    process: int = 0
    processes: int = 1

    def at(self, index: int) -> float:
        """Return the seconds after which this process's event of an index, from 0, is due."""
        return self.number_of(index) / self.rate

    def number_of(self, index: int) -> int:
        """Return the number, among the events of all processes, of this process's event.

        >>> Schedule(rate=100.0, process=1, processes=2).number_of(2)
        5
        """
        return index * self.processes + self.process

    def count_before(self, seconds: float) -> int:
        """Return how many events of this process are due before that many seconds have passed.

        >>> Schedule(rate=100.0, process=1, processes=2).count_before(0.05)
        2
        """
        estimate = max(0, int((seconds * self.rate - self.process) / self.processes) - 1)
        # Divisions round, so the last events are counted one by one with the arithmetic of `at`.
        while self.at(estimate) < seconds:
            estimate += 1
        return estimate


def share(total: int, process: int, processes: int) -> int:
    """Return the part of a total that belongs to a process.

    >>> [share(5, process, 2) for process in range(2)]
    [3, 2]
    """
    return total // processes + (process < total % processes)
