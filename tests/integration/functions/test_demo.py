"""The demo's data, as the computes find them."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec
import pytest

from compute.documents import documents
from compute.leaderboard import leaderboard
from local.demo import BOARD, DemoReport, load_demo
from local.errors import CannotStartError
from push.computes import AnyCompute, Tenant
from push.settings import ComputeSettings
from push.sources.contexts import Context
from push.sources.outcomes import complete
from tests.servers.aws import Aws

pytestmark = pytest.mark.slow


@pytest.fixture
def demo(aws: Aws) -> DemoReport:
    resources = {
        "StorageBucket": aws.bucket,
        "DocumentsTable": aws.tables["documents"],
        "ScoresTable": aws.tables["scores"],
    }
    return load_demo(endpoint_url=aws.url, resources=resources)


async def run(compute: AnyCompute, settings: ComputeSettings, **params: Any) -> Any:
    context = Context(tenant=Tenant("public"), attempt=1, settings=settings)
    value = await compute.invoke(compute.parse_params(msgspec.json.encode(params)), context)
    return json.loads(msgspec.json.encode(complete(value, (), (), context.reads).value))


def test_everything_is_loaded_without_importing_pandas(demo: DemoReport) -> None:
    assert (demo.documents, demo.board_members) == (59, 56)
    assert "pandas" not in sys.modules


@pytest.mark.usefixtures("demo")
async def test_airports_of_a_state_are_found(settings: ComputeSettings) -> None:
    query = "[?contains(name, `International`)].{iata: iata, name: name}"
    airports = await run(documents, settings, collection="airports", ids=["TX", "CA"], query=query)
    assert {"iata": "SFO", "name": "San Francisco International"} in airports
    assert {"iata": "ELP", "name": "El Paso International"} in airports


@pytest.mark.usefixtures("demo")
async def test_all_airports_have_places_and_numbers(settings: ComputeSettings) -> None:
    airports = await run(documents, settings, collection="airports")
    assert len(airports) == 3376
    assert all(isinstance(each["latitude"], float) and each["name"] for each in airports)
    assert not [each for each in airports if each["city"] == "NA" or each["state"] == "NA"]


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("city", ["san-francisco", "seattle"])
async def test_a_year_of_temperatures_is_one_document_that_fits_a_message(settings: ComputeSettings, city: str) -> None:
    (year,) = await run(documents, settings, collection="temperatures", ids=[city])
    assert len(year["days"]) == 365
    assert sum(len(day["fahrenheit"]) for day in year["days"]) >= 8758
    assert 100 * 1024 < len(msgspec.json.encode(year)) < 120 * 1024


@pytest.mark.usefixtures("demo")
async def test_the_leaderboard_ranks_the_states_by_airports(aws: Aws, settings: ComputeSettings) -> None:
    first = await run(leaderboard, settings, board=BOARD, top=1)
    assert first == [{"rank": 1, "member": "AK", "score": 263}]


def test_loading_twice_does_no_harm(aws: Aws, demo: DemoReport) -> None:
    before = aws.rows("scores")
    resources = {
        "StorageBucket": aws.bucket,
        "DocumentsTable": aws.tables["documents"],
        "ScoresTable": aws.tables["scores"],
    }
    assert load_demo(endpoint_url=aws.url, resources=resources).documents == demo.documents
    assert aws.rows("scores") == before


def test_a_service_that_does_not_take_the_data_is_named_in_one_sentence(aws: Aws) -> None:
    resources = {"StorageBucket": "absent", "DocumentsTable": "absent", "ScoresTable": "absent"}
    with pytest.raises(CannotStartError, match="could not be stored"):
        load_demo(endpoint_url=aws.url, resources=resources)
