"""Metrics are counted from the Embedded Metric Format."""

from __future__ import annotations

import json

import pytest

from local.metrics import Metrics


def line(name: str, value: object, **dimensions: str) -> bytes:
    metric = {"Namespace": "N", "Dimensions": [["service", *dimensions]], "Metrics": [{"Name": name, "Unit": "Count"}]}
    document = {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [metric]}, "service": "s", name: value, **dimensions}
    return json.dumps(document).encode()


def test_values_are_summed_by_name_and_dimension() -> None:
    metrics = Metrics()
    assert metrics.take_line(line("CacheHit", [1.0, 1.0], Tier="l1"))
    assert metrics.take_line(line("CacheHit", 1, Tier="redis"))
    assert metrics.take_line(line("CacheMiss", 4))
    assert metrics.by_dimension("CacheHit", "Tier") == {"l1": 2.0, "redis": 1.0}
    assert metrics.total("CacheHit") == 3
    assert metrics.total("CacheMiss") == 4
    assert metrics.total("Unknown") == 0


def test_every_sum_can_be_listed() -> None:
    metrics = Metrics()
    metrics.take_line(line("CacheHit", 1, Tier="l1"))
    assert metrics.all() == [{"name": "CacheHit", "dimensions": {"Tier": "l1"}, "sum": 1.0}]


@pytest.mark.parametrize(
    "text",
    [b"plain text", b'{"message": "json"}', b'{"_aws": 1}', b'broken "_aws"', b'{"_aws": {"CloudWatchMetrics": [{}]}}'],
)
def test_an_ordinary_line_is_not_a_metric(text: bytes) -> None:
    assert not Metrics().take_line(text)
