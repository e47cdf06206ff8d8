"""Computes over a weather API, which nobody reports changes of: their results live by TTL."""

from typing import Annotated, Any

from msgspec import Meta

from computes import api
from push import ComputeFailedError, ErrorCode, compute

Place = Annotated[str, Meta(min_length=2, max_length=80, description="A town, such as Berlin")]
Days = Annotated[int, Meta(ge=1, le=7)]


@compute(scope="shared", ttl=300.0, stale_ttl=3600.0, failure_ttl=60.0, timeout=10.0)
def current(place: Place) -> dict[str, Any]:
    """Weather at a place now: fresh for five minutes, usable for another hour."""
    found = find_place(place)
    answer = api.get(api.FORECASTS, {**found["at"], "current": "temperature_2m,wind_speed_10m"})
    now = answer["current"]
    return {
        "place": found["name"],
        "measured_at": now["time"],
        "celsius": now["temperature_2m"],
        "wind_kmh": now["wind_speed_10m"],
    }


@compute(scope="shared", ttl=3600.0, stale_ttl=6 * 3600.0, failure_ttl=60.0, timeout=10.0)
def forecast(place: Place, days: Days = 3) -> dict[str, Any]:
    """Forecast of the next days at a place: fresh for an hour, usable for another six."""
    found = find_place(place)
    wanted = {"daily": "temperature_2m_min,temperature_2m_max", "forecast_days": days, "timezone": "auto"}
    daily = api.get(api.FORECASTS, {**found["at"], **wanted})["daily"]
    rows = zip(daily["time"], daily["temperature_2m_min"], daily["temperature_2m_max"], strict=True)
    return {"place": found["name"], "days": [{"day": day, "low": low, "high": high} for day, low, high in rows]}


def find_place(place: str) -> dict[str, Any]:
    """Return a place's full name and its coordinates."""
    results = api.get(api.PLACES, {"name": place, "count": 1}).get("results")
    if not results:
        raise ComputeFailedError(f"No place is named {place}.", code=ErrorCode.NOT_FOUND)
    best = results[0]
    return {
        "name": ", ".join(part for part in (best["name"], best.get("country")) if part),
        "at": {"latitude": best["latitude"], "longitude": best["longitude"]},
    }
