"""Metrics in CloudWatch's Embedded Metric Format (EMF), counted in memory and printed once for many events.

Printing a line per message would cost more than answering the message from memory. Counts are printed at the end of an
invocation, at most once per interval. A timer prints the rest; in a frozen environment it runs after the thaw.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from push.metrics import Dimension, Metric

_UNITS = {
    Metric.COMPUTE_MILLISECONDS: MetricUnit.Milliseconds,
    Metric.CHANGE_LAG_MILLISECONDS: MetricUnit.Milliseconds,
    Metric.RESULT_BYTES: MetricUnit.Bytes,
}


class BufferedMetrics:
    """`push.metrics.Counter` that buffers the counts of one execution environment until they are printed."""

    def __init__(self, *, interval_seconds: float = 0.1) -> None:
        self._interval_seconds = interval_seconds
        self._lock = threading.Lock()
        self._counts: defaultdict[Dimension | None, defaultdict[Metric, float]] = defaultdict(_no_counts)
        self._flushed_at = 0.0
        self._timer: threading.Timer | None = None

    def count(self, metric: Metric, value: float = 1.0, dimension: Dimension | None = None) -> None:
        """Add to a metric, under one dimension (name, value) or none."""
        with self._lock:
            self._counts[dimension][metric] += value

    def end_invocation(self) -> None:
        """Print the counts now if the interval has passed, or else once it has."""
        if not self._counts:
            return
        if time.monotonic() - self._flushed_at >= self._interval_seconds:
            self.flush()
        elif self._timer is None:
            self._timer = threading.Timer(self._interval_seconds, self._flush_late)
            self._timer.daemon = True
            self._timer.start()

    def _flush_late(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        """Print the counts, one line per dimension."""
        with self._lock:
            counts, self._counts = self._counts, defaultdict(_no_counts)
            self._flushed_at = time.monotonic()
        for dimension, metrics in counts.items():
            _print(dimension, metrics)


def _no_counts() -> defaultdict[Metric, float]:
    return defaultdict(float)


def _print(dimension: Dimension | None, metrics: dict[Metric, float]) -> None:
    # Powertools reads the namespace and the service from its own environment variables.
    document = EphemeralMetrics()
    if dimension is not None:
        document.add_dimension(name=dimension[0], value=dimension[1])
    for metric, value in metrics.items():
        document.add_metric(metric, unit=_UNITS.get(metric, MetricUnit.Count), value=value)
    document.flush_metrics()
