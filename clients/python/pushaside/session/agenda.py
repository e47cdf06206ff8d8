"""A schedule of due times for many names, of which most are dropped before they are due."""

from __future__ import annotations

import heapq

_SMALL = 64
"""The size of a heap that is not worth rebuilding."""


class Agenda:
    """One due time for each name, in a heap; replaced and dropped entries leave the heap when they surface.

    >>> agenda = Agenda()
    >>> agenda.put("a", 5.0)
    >>> agenda.put("b", 2.0)
    >>> agenda.next_at(), agenda.take_due(3.0), agenda.next_at()
    (2.0, ['b'], 5.0)
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}

    def put(self, name: str, at: float) -> None:
        """Set the due time of a name."""
        if self._due.get(name) != at:
            self._due[name] = at
            heapq.heappush(self._heap, (at, name))

    def drop(self, name: str) -> None:
        """Remove a name, if it is scheduled."""
        self._due.pop(name, None)
        # Rebuilding when dropped entries outnumber the rest bounds the heap, at a constant cost per drop.
        if len(self._heap) > _SMALL + 2 * len(self._due):
            self._heap = [(at, kept) for kept, at in self._due.items()]
            heapq.heapify(self._heap)

    def next_at(self) -> float | None:
        """Return when the next name is due."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> list[str]:
        """Remove and return all names that are due, the earliest first."""
        names = []
        while (at := self.next_at()) is not None and at <= now:
            name = heapq.heappop(self._heap)[1]
            del self._due[name]
            names.append(name)
        return names
