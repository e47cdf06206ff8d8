"""Tests of the computes, in memory: only the weather API is a server."""

import pytest
from stand_in import StandIn

from push import ComputeFailedError, ErrorCode, SourceThrottledError, TransientError
from push.testing import Application


def test_the_current_weather_of_a_place(application: Application, weather_api: StandIn) -> None:
    weather = application.run("current", place="Berlin").value
    assert weather == {"place": "Berlin, Germany", "measured_at": "2026-03-01T12:00", "celsius": 4.5, "wind_kmh": 11.2}


def test_a_forecast_has_as_many_days_as_asked_for(application: Application, weather_api: StandIn) -> None:
    days = application.run("forecast", place="Berlin", days=2).value["days"]
    assert days == [{"day": "2026-03-01", "low": 1.5, "high": 6.0}, {"day": "2026-03-02", "low": 0.0, "high": 7.5}]


def test_callers_of_all_tenants_share_a_result(application: Application, weather_api: StandIn) -> None:
    one = application.asked_by(tenant="one").run("current", place="Berlin")
    other = application.asked_by(tenant="other").run("current", place="Berlin")
    assert one.key == other.key


def test_an_unknown_place_is_final(application: Application, weather_api: StandIn) -> None:
    with pytest.raises(ComputeFailedError, match="No place is named Atlantis") as raised:
        application.run("current", place="Atlantis")
    assert raised.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("status", [400, 404])
def test_a_question_that_the_api_refuses_is_final(application: Application, weather_api: StandIn, status: int) -> None:
    weather_api.statuses = [status]
    with pytest.raises(ComputeFailedError, match=f"refuses the question with {status}"):
        application.run("current", place="Berlin")


def test_an_api_that_is_down_is_asked_again(application: Application, weather_api: StandIn) -> None:
    weather_api.statuses = [503]
    with pytest.raises(TransientError, match="answers 503"):
        application.run("current", place="Berlin")
    assert application.run("current", place="Berlin", attempt=2).value["celsius"] == 4.5


def test_an_api_that_cannot_be_reached_is_asked_again(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACES_URL", "http://127.0.0.1:1/v1/search")
    with pytest.raises(TransientError, match="does not answer"):
        application.run("current", place="Berlin")


def test_an_api_that_throttles_says_when_to_ask_again(application: Application, weather_api: StandIn) -> None:
    weather_api.statuses = [429]
    with pytest.raises(SourceThrottledError) as raised:
        application.run("current", place="Berlin")
    assert raised.value.retry_after_ms == 2000
