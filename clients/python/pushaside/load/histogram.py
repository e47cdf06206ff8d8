"""Counts times in buckets that grow with them, so that a percentile of any number of times costs little memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_SUB_BITS = 7
"""Each doubling of the time has 2^7 buckets: a time is told to within 0.8 %."""
_EXACT = 2 << _SUB_BITS


@dataclass(slots=True)
class Histogram:
    """Times in seconds, told to the microsecond below 256 µs and to within 0.8 % above; least and most are exact.

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
        bucket = bucket_of(int(seconds * 1e6))
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.count += 1
        self.total += seconds
        self.least = min(self.least, seconds)
        self.most = max(self.most, seconds)

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

    @property
    def mean(self) -> float:
        """The mean of the times; 0 if nothing was counted."""
        return self.total / self.count if self.count else 0.0


def bucket_of(microseconds: int) -> int:
    """Return the number of the bucket that a time belongs to.

    >>> bucket_of(0), bucket_of(255), bucket_of(256), bucket_of(257), bucket_of(258)
    (0, 255, 256, 256, 257)
    """
    shift = max(0, microseconds.bit_length() - _EXACT.bit_length() + 1)
    return (shift << _SUB_BITS) + (microseconds >> shift)


def middle_of(bucket: int) -> float:
    """Return the microseconds in the middle of a bucket.

    >>> middle_of(255), middle_of(256), middle_of(384)
    (255, 256.5, 513.5)
    """
    if bucket < _EXACT:
        return bucket
    shift = (bucket >> _SUB_BITS) - 1
    return ((bucket - (shift << _SUB_BITS)) << shift) + ((1 << shift) - 1) / 2
