"""Metrics: counted in memory, printed once for many events, none lost."""

from __future__ import annotations

import json
import threading

import pytest

from push.adapters.aws.emf_metrics import BufferedMetrics
from push.metrics import Metric


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Pushaside")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "test")


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_was_counted_is_printed_in_one_line_for_each_dimension(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = BufferedMetrics()
    for _ in range(3):
        metrics.count(Metric.CACHE_MISS)
        metrics.count(Metric.COALESCED)
        metrics.count(Metric.CACHE_HIT, dimension=("Tier", "l1"))
    metrics.count(Metric.CACHE_HIT, 2, dimension=("Tier", "redis"))
    metrics.end_invocation()
    none, l1, redis = printed(capsys)
    assert (none["CacheMiss"], none["Coalesced"]) == ([3.0], [3.0])
    assert (l1["CacheHit"], l1["Tier"]) == ([3.0], "l1")
    assert (redis["CacheHit"], redis["Tier"]) == ([2.0], "redis")
    assert redis["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Pushaside"


def test_nothing_counted_is_nothing_printed(capsys: pytest.CaptureFixture[str]) -> None:
    BufferedMetrics().end_invocation()
    assert printed(capsys) == []


def test_what_was_printed_is_not_printed_again(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = BufferedMetrics(interval_seconds=0.0)
    metrics.count(Metric.CACHE_MISS)
    metrics.end_invocation()
    metrics.end_invocation()
    assert len(printed(capsys)) == 1


def test_invocations_in_quick_succession_are_printed_together_and_late(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = BufferedMetrics(interval_seconds=0.05)
    for _ in range(10):
        metrics.count(Metric.CACHE_MISS)
        metrics.end_invocation()
    for timer in [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]:
        timer.join(5)
    lines = printed(capsys)
    assert [line["CacheMiss"] for line in lines] == [[1.0], [9.0]]


def test_counts_of_several_threads_are_all_kept(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = BufferedMetrics(interval_seconds=3600)

    def count() -> None:
        for _ in range(2000):
            metrics.count(Metric.PUSH, dimension=("Outcome", "delivered"))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    metrics.flush()
    assert sum(line["Push"][0] for line in printed(capsys)) == 8000


def test_times_and_sizes_have_their_units(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = BufferedMetrics()
    metrics.count(Metric.COMPUTE_MILLISECONDS, 12.5)
    metrics.count(Metric.RESULT_BYTES, 100)
    metrics.flush()
    (line,) = printed(capsys)
    units = {each["Name"]: each["Unit"] for each in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert units == {"ComputeMilliseconds": "Milliseconds", "ResultBytes": "Bytes"}
