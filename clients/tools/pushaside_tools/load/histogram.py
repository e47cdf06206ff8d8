"""Counts times in buckets that grow with them, so that a percentile of any number of times costs little memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

_SUB_BITS = 7
"""Each doubling of the time has 2^7 buckets: a time is told to within 0.8 %."""
_EXACT = 2 << _SUB_BITS
SUB_BUCKETS = _EXACT
"""As HdrHistogram counts them; half of these belong to each doubling."""


@dataclass(slots=True)
class Histogram:
    """Times in seconds, told to the microsecond below 256 µs and to within 0.8 % above; least and most are exact.

    Its buckets are those of an HdrHistogram (hdrhistogram.org) of microseconds with two significant digits; only those
    that have counted are kept, so that no highest time needs to be known.

    >>> times = Histogram()
    >>> for milliseconds in range(1, 101):
    ...     times.record(milliseconds / 1000)
    >>> round(times.percentile(50), 3), round(times.percentile(99), 3), times.most
    (0.05, 0.099, 0.1)
    """

    counts: dict[int, int] = field(default_factory=dict)
    count: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = 0.0

    def record(self, seconds: float) -> None:
        """Count one time; one that is negative counts as 0."""
        seconds = max(seconds, 0.0)
        microseconds = int(seconds * 1e6)
        # As `bucket_of` does: this is called for each answer, and a call costs as much as all of it.
        shift = microseconds.bit_length() - _SUB_BITS - 1
        bucket = microseconds if shift <= 0 else (shift << _SUB_BITS) + (microseconds >> shift)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.count += 1
        self.total += seconds
        if seconds < self.least:
            self.least = seconds
        if seconds > self.most:
            self.most = seconds

    def add(self, other: Histogram) -> None:
        """Count all that the other has counted."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)

    def percentile(self, percent: float) -> float:
        """Return the time that so many of a hundred do not exceed; 0 if nothing was counted."""
        rank = max(1, math.ceil(self.count * percent / 100))
        for bucket in sorted(self.counts):
            rank -= self.counts[bucket]
            if rank <= 0:
                return min(max(middle_of(bucket) / 1e6, self.least), self.most)
        return self.most

    def rising(self) -> Iterator[tuple[float, int]]:
        """Give the greatest time of each bucket, but none beyond the most, and how many times it has; rising."""
        for bucket in sorted(self.counts):
            yield min(last_of(bucket) / 1e6, self.most), self.counts[bucket]

    @property
    def mean(self) -> float:
        """The mean of the times; 0 if nothing was counted."""
        return self.total / self.count if self.count else 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation of the times, as exact as the buckets are; 0 if nothing was counted."""
        if not self.count:
            return 0.0
        squares = (count * (middle_of(bucket) / 1e6 - self.mean) ** 2 for bucket, count in self.counts.items())
        return math.sqrt(sum(squares) / self.count)


def bucket_of(microseconds: int) -> int:
    """Return the number of the bucket that a time belongs to.

    >>> bucket_of(0), bucket_of(255), bucket_of(256), bucket_of(257), bucket_of(258)
    (0, 255, 256, 256, 257)
    """
    shift = max(0, microseconds.bit_length() - _SUB_BITS - 1)
    return (shift << _SUB_BITS) + (microseconds >> shift)


def middle_of(bucket: int) -> float:
    """Return the microseconds in the middle of a bucket.

    >>> middle_of(255), middle_of(256), middle_of(384)
    (255, 256.5, 513.5)
    """
    if bucket < _EXACT:
        return bucket
    return last_of(bucket) - ((1 << _shift_of(bucket)) - 1) / 2


def last_of(bucket: int) -> int:
    """Return the greatest whole number of microseconds that belongs to a bucket.

    >>> last_of(255), last_of(256), last_of(384)
    (255, 257, 515)
    """
    shift = _shift_of(bucket)
    return ((bucket - (shift << _SUB_BITS) + 1) << shift) - 1


def _shift_of(bucket: int) -> int:
    return max(0, (bucket >> _SUB_BITS) - 1)
