"""The stand-in for the weather API, for computes in memory and for `pushaside local`: no test reaches the internet."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in import StandIn, running

from push.testing import LocalApplication
from push.testing.local_applications import run_locally


@pytest.fixture
def weather_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A stand-in that the computes of this process call."""
    with running() as server:
        monkeypatch.setenv("FORECASTS_URL", server.forecasts)
        monkeypatch.setenv("PLACES_URL", server.places)
        yield server


@pytest.fixture(scope="session")
def live_api() -> Iterator[StandIn]:
    """A stand-in that the application on this machine calls."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def pushaside_local(live_api: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApplication]:
    """The application on this machine, started once: the parameters of its template lead it to the stand-in."""
    urls = {"ForecastsUrl": live_api.forecasts, "PlacesUrl": live_api.places}
    options = [f"--parameter={name}={url}" for name, url in urls.items()]
    with run_locally(Path(__file__).parents[1], tmp_path_factory.mktemp("local"), *options) as started:
        yield started
