"""Tests of the application on this machine, by a client: `pushaside local` is started once."""

import pytest
from stand_in import StandIn

from push.testing import LocalApplication
from pushaside import NotFoundError, sync


@pytest.fixture(scope="module")
def client(pushaside_local: LocalApplication):
    with sync.connect(pushaside_local.websocket) as opened:
        yield opened


def test_many_callers_cost_one_question(client: sync.Client, live_api: StandIn) -> None:
    asked = len(live_api.paths)
    results = client.gather([("current", {"place": "Berlin"})] * 50)
    assert {result.data["celsius"] for result in results} == {4.5}
    assert live_api.paths[asked:] == ["/v1/search", "/v1/forecast"]


def test_a_fresh_result_costs_no_question(client: sync.Client, live_api: StandIn) -> None:
    first = client.request("forecast", {"place": "Berlin"})
    asked = len(live_api.paths)
    assert client.request("forecast", {"place": "Berlin"}).cache == "hit"
    assert len(first.data["days"]) == 3
    assert len(live_api.paths) == asked


def test_an_api_that_is_down_is_asked_again_while_the_caller_waits(client: sync.Client, live_api: StandIn) -> None:
    live_api.statuses = [503]
    assert client.request("current", {"place": "berlin"}).data["celsius"] == 4.5


def test_an_unknown_place_is_an_error_that_is_cached(client: sync.Client, live_api: StandIn) -> None:
    with pytest.raises(NotFoundError, match="No place is named Atlantis"):
        client.request("current", {"place": "Atlantis"})
    asked = len(live_api.paths)
    with pytest.raises(NotFoundError, match="No place is named Atlantis"):
        client.request("current", {"place": "Atlantis"})
    assert len(live_api.paths) == asked
