"""Scales of plots: where a value is drawn, and which values are written at an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

_WIDE = 20.0
"""Values of which the greatest is so many times the least are drawn by their logarithms."""


class Scale(Protocol):
    """Maps values to the way along an axis, 0 to 1."""

    def at(self, value: float) -> float:
        """Return how far along a value is."""

    def ticks(self) -> Sequence[float]:
        """Return the values to be written."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Even, from `least` to `most`.

    >>> Linear(0.0, 50.0).at(25.0), Linear(0.0, 50.0).ticks()
    (0.5, [0.0, 10.0, 20.0, 30.0, 40.0, 50.0])
    """

    least: float
    most: float

    def at(self, value: float) -> float:
        """Return how far along a value is."""
        return (min(max(value, self.least), self.most) - self.least) / (self.most - self.least)

    def ticks(self) -> Sequence[float]:
        """Return round numbers, five or so."""
        step = round_step((self.most - self.least) / 6)
        first, last = math.ceil(self.least / step - 1e-9), math.floor(self.most / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Logarithmic:
    """Each factor of ten is as long as the next.

    >>> Logarithmic(1.0, 100.0).at(10.0), Logarithmic(1.0, 100.0).ticks()
    (0.5, [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0])
    """

    least: float
    most: float

    def at(self, value: float) -> float:
        """Return how far along a value is."""
        inside = min(max(value, self.least), self.most)
        return math.log(inside / self.least) / math.log(self.most / self.least)

    def ticks(self) -> Sequence[float]:
        """Return the powers of ten; also their double and fivefold, if these are few."""
        first, last = math.floor(math.log10(self.least)), math.ceil(math.log10(self.most))
        steps = (1, 2, 5) if self.most / self.least <= 1000 else (1,)
        values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
        return [value for value in values if self.least * 0.999 <= value <= self.most * 1.001]


@dataclass(frozen=True, slots=True)
class Tail:
    """Percentiles from 0 on: each nine is as long as the next, as in HdrHistogram's plots. `most` is below 100.

    >>> Tail(99.0).at(90.0), Tail(99.0).ticks()
    (0.5, [0.0, 90.0, 99.0])
    """

    most: float

    def at(self, value: float) -> float:
        """Return how far along a percentile is."""
        return math.log(_rarity(min(value, self.most))) / math.log(_rarity(self.most))

    def ticks(self) -> Sequence[float]:
        """Return 0, 90, 99 and so on."""
        count = math.floor(math.log10(_rarity(self.most)) + 1e-9)
        return [0.0, *(100 - 10.0 ** (2 - nines) for nines in range(1, count + 1))]


def _rarity(percent: float) -> float:
    return round(100 / (100 - percent), 9)


def round_step(least: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20 and so on, also below 1, that is no less.

    >>> round_step(0.3), round_step(7), round_step(10)
    (0.5, 10.0, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def scale_from_zero(values: Iterable[float]) -> Linear:
    """Return a scale from 0 to a round number at or above all values."""
    most = max(values, default=0.0) or 1.0
    step = round_step(most / 6)
    return Linear(0.0, step * math.ceil(most / step - 1e-9))


def scale_of_times(values: Iterable[float]) -> Scale:
    """Return a scale for times: from 0 on, or by the logarithm if they differ widely."""
    positive = [value for value in values if value > 0]
    if not positive or max(positive) / min(positive) < _WIDE:
        return scale_from_zero(positive)
    # To the next of the values that are written, so that all lines are between two of them.
    least, most = min(positive), max(positive)
    below, above = 10.0 ** math.floor(math.log10(least)), 10.0 ** math.ceil(math.log10(most))
    return Logarithmic(
        max(step * below for step in (1, 2, 5) if step * below <= least * (1 + 1e-9)),
        min(above / step for step in (1, 2, 5) if above / step >= most * (1 - 1e-9)),
    )
