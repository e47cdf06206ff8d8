"""When what is due next, for many things of which most are dealt with long before their time."""

from __future__ import annotations

import heapq

_SMALL = 64
"""Heaps this small are not worth tidying."""


class Agenda:
    """One due time per name, in a heap; entries that were replaced or dropped leave it when they surface.

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
        """Set the time of a name, in place of the one it had."""
        if self._due.get(name) != at:
            self._due[name] = at
            heapq.heappush(self._heap, (at, name))

    def drop(self, name: str) -> None:
        """Take a name out; it need not be in."""
        self._due.pop(name, None)
        # Rebuilding once the dropped outnumber the rest keeps the heap proportional to it, at a constant cost per drop.
        if len(self._heap) > _SMALL + 2 * len(self._due):
            self._heap = [(at, kept) for kept, at in self._due.items()]
            heapq.heapify(self._heap)

    def next_at(self) -> float | None:
        """Tell when the next name is due."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> list[str]:
        """Take out all names that are due, the earliest first."""
        names = []
        while (at := self.next_at()) is not None and at <= now:
            name = heapq.heappop(self._heap)[1]
            del self._due[name]
            names.append(name)
        return names
