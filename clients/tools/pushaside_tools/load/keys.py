"""Which key is asked for next."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable
from itertools import accumulate, count

NextKey = Callable[[], int]

_COUNT_BITS = 28
"""So many bits of a new key count the keys of a run; those above tell one run from another."""
RUN_BITS = 25
"""Both together are what JavaScript's numbers hold exactly (RFC 8259, 6)."""


def zipf_keys(keys: int, skew: float, random: Callable[[], float]) -> NextKey:
    """Draw from the keys 0 to `keys` - 1: key k is as frequent as 1 / (k + 1) ^ skew.

    A skew of 0 makes all of them equally frequent; 1 is the law that Zipf found in words. `random` gives numbers of
    [0, 1).

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
    """Give keys that no other process of the run has, nor any run with another number of `RUN_BITS` bits.

    >>> give = new_keys(1, 0, 2)
    >>> give() - (1 << 28), give() - (1 << 28)
    (0, 2)
    """
    numbers = count((run << _COUNT_BITS) + process, processes)
    return numbers.__next__


def mixed_keys(share: float, rare: NextKey, usual: NextKey, random: Callable[[], float]) -> NextKey:
    """Give a key of the rare ones in that share of the cases (0 to 1), and a usual one otherwise.

    >>> give = mixed_keys(0.25, lambda: 99, lambda: 1, iter([0.1, 0.3, 0.2]).__next__)
    >>> [give() for _ in range(3)]
    [99, 1, 99]
    """
    return lambda: rare() if random() < share else usual()
