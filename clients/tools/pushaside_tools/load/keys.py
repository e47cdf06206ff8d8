"""The choice of the key of each request."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable
from itertools import accumulate, count

NextKey = Callable[[], int]

_COUNT_BITS = 28
"""The lower bits of a new key, which count the keys of a run. The bits above identify the run."""
RUN_BITS = 25
"""The bits of a run's number. JavaScript's numbers hold 53 bits exactly (RFC 8259, section 6)."""


def zipf_keys(keys: int, skew: float, random: Callable[[], float]) -> NextKey:
    """Return a function that draws from the keys 0 to `keys` - 1: key k is as frequent as 1 / (k + 1) ^ skew.

    With a skew of 0 all keys are equally frequent; 1 is Zipf's law of words. `random` returns numbers from [0, 1).

    >>> draw = zipf_keys(4, 1.0, iter([0.0, 0.47, 0.49, 0.99]).__next__)
    >>> [draw() for _ in range(4)]
    [0, 0, 1, 3]
    """
    if skew == 0:
        return lambda: int(random() * keys)
    shares = list(accumulate(rank**-skew for rank in range(1, keys + 1)))
    total, last = shares[-1], keys - 1
    return lambda: min(bisect(shares, random() * total), last)


def new_keys(run: int, process: int, processes: int) -> NextKey:
    """Return a function that gives keys unique to this process and to this run, a number of `RUN_BITS` bits.

    >>> give = new_keys(1, 0, 2)
    >>> give() - (1 << 28), give() - (1 << 28)
    (0, 2)
    """
    numbers = count((run << _COUNT_BITS) + process, processes)
    return numbers.__next__


def mixed_keys(share: float, rare: NextKey, usual: NextKey, random: Callable[[], float]) -> NextKey:
    """Return a function that gives a rare key in this share of calls (0 to 1), and a usual one otherwise.

    >>> give = mixed_keys(0.25, lambda: 99, lambda: 1, iter([0.1, 0.3, 0.2]).__next__)
    >>> [give() for _ in range(3)]
    [99, 1, 99]
    """
    return lambda: rare() if random() < share else usual()
