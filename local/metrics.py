"""Sums of the metrics that functions print in the Embedded Metric Format.

Source: "Specification: Embedded metric format" (CloudWatch User Guide).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

Dimensions = tuple[tuple[str, str], ...]


class Metrics:
    """The sum of every metric since the start, by name and dimensions."""

    def __init__(self) -> None:
        self._sums: defaultdict[tuple[str, Dimensions], float] = defaultdict(float)

    def take_line(self, line: bytes) -> bool:
        """Add the metrics of one line of output. Return whether the line had metrics."""
        if b'"_aws"' not in line:
            return False
        try:
            document = orjson.loads(line)
            for name, dimensions, value in _measurements(document):
                self._sums[name, dimensions] += value
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            return False  # a log line that only resembles a metrics line
        return True

    def total(self, name: str) -> float:
        """Return the sum of a metric over all its dimensions."""
        return sum(value for (each, _), value in self._sums.items() if each == name)

    def by_dimension(self, name: str, dimension: str) -> dict[str, float]:
        """Return the sums of a metric by the values of one of its dimensions."""
        sums: defaultdict[str, float] = defaultdict(float)
        for (each, dimensions), value in self._sums.items():
            if each == name and dimension in dict(dimensions):
                sums[dict(dimensions)[dimension]] += value
        return dict(sums)

    def all(self) -> list[dict[str, Any]]:
        """Return every sum with its name and dimensions."""
        return [
            {"name": name, "dimensions": dict(dimensions), "sum": value}
            for (name, dimensions), value in sorted(self._sums.items())
        ]


def _measurements(document: Mapping[str, Any]) -> Iterator[tuple[str, Dimensions, float]]:
    """Yield each metric's name, dimensions (the first set, without the service's name) and sum."""
    for directive in document["_aws"]["CloudWatchMetrics"]:
        names = next(iter(directive.get("Dimensions", ())), ())
        dimensions = tuple((name, str(document[name])) for name in sorted(names) if name != "service")
        for metric in directive["Metrics"]:
            value = document[metric["Name"]]
            yield metric["Name"], dimensions, sum(value) if isinstance(value, list) else float(value)
