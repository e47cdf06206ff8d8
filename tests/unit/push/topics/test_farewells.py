"""Farewells: on their way in hops of a quarter of an hour, and what they say at the end."""

from __future__ import annotations

import json

import pytest

from push.topics.fan_out_jobs import Farewell, parse_fan_out_job, serialize_fan_out_job
from push.topics.farewells import farewell_delay_seconds, render_bye

FAREWELL = Farewell("ann=", at_ms=6_600_000, closes_at_ms=7_200_000)


@pytest.mark.parametrize(
    ("now_ms", "seconds"), [(0, 900), (5_700_000, 900), (5_700_001, 900), (6_500_000, 100), (6_599_999, 1)]
)
def test_a_farewell_goes_on_in_hops_until_it_is_due(now_ms: int, seconds: int) -> None:
    assert farewell_delay_seconds(FAREWELL, now_ms) == seconds


@pytest.mark.parametrize("now_ms", [6_600_000, 6_600_001, 9_000_000])
def test_a_farewell_is_said_once_it_is_due(now_ms: int) -> None:
    assert farewell_delay_seconds(FAREWELL, now_ms) == 0


def test_bye_says_how_long_is_left() -> None:
    assert json.loads(render_bye(FAREWELL, 6_600_000)) == {
        "type": "bye",
        "code": 1001,
        "retry": True,
        "after_ms": 600_000,
    }


def test_bye_never_counts_below_nothing() -> None:
    assert json.loads(render_bye(FAREWELL, 8_000_000))["after_ms"] == 0


def test_a_farewell_is_a_message_of_the_fan_out_queue() -> None:
    assert parse_fan_out_job(serialize_fan_out_job(FAREWELL)) == FAREWELL
