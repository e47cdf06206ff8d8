"""The compute `documents`, from its params to JSON, over DynamoDB and S3."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

import compute.documents
from compute.documents import documents
from push.computes import Tenant
from push.errors import ComputeFailedError, ErrorCode, SourceThrottledError, TransientError
from push.settings import ComputeSettings
from push.sources.contexts import Context
from tests.servers.aws import Aws

Run = Callable[..., Awaitable[Any]]


@pytest.fixture
def run(settings: ComputeSettings) -> Run:
    async def run(tenant: str = "acme", **params: Any) -> Any:
        parsed = documents.parse_params(msgspec.json.encode(params))
        value = await documents.invoke(parsed, Context(tenant=Tenant(tenant), attempt=1, settings=settings))
        assert isinstance(value, msgspec.Raw)
        return json.loads(bytes(value))

    return run


@pytest.fixture
def airports(aws: Aws) -> None:
    texas = [{"iata": "DFW", "name": "Dallas International"}, {"iata": "DAL", "name": "Love Field"}]
    aws.put_document("acme", "airports", "TX", json.dumps(texas).encode())
    aws.put_document("acme", "airports", "CA", b'{"iata": "SFO", "name": "San Francisco International"}')
    aws.put_document("other", "airports", "TX", b'["not yours"]')
    aws.put_document("other", "airports", "OK", b'["not yours"]')


pytestmark = pytest.mark.usefixtures("airports")


async def test_named_documents_are_merged_in_the_order_of_their_names(run: Run) -> None:
    merged = await run(collection="airports", ids=["TX", "CA"])
    assert [each["iata"] for each in merged] == ["DFW", "DAL", "SFO"]
    merged = await run(collection="airports", ids=["CA", "TX"])
    assert [each["iata"] for each in merged] == ["SFO", "DFW", "DAL"]


async def test_all_documents_come_in_the_order_of_their_ids(run: Run) -> None:
    assert [each["iata"] for each in await run(collection="airports")] == ["SFO", "DFW", "DAL"]


async def test_a_document_named_twice_counts_once(run: Run) -> None:
    assert len(await run(collection="airports", ids=["CA", "CA"])) == 1


async def test_the_query_filters_and_projects_what_was_merged(run: Run) -> None:
    query = "[?contains(name, `International`)].{iata: iata, name: name}"
    assert await run(collection="airports", ids=["TX", "CA"], query=query) == [
        {"iata": "DFW", "name": "Dallas International"},
        {"iata": "SFO", "name": "San Francisco International"},
    ]


async def test_a_missing_document_is_not_found(run: Run) -> None:
    with pytest.raises(ComputeFailedError, match="'OK'") as caught:
        await run(collection="airports", ids=["TX", "OK"])
    assert caught.value.code is ErrorCode.NOT_FOUND


async def test_a_collection_of_nothing_is_empty(run: Run) -> None:
    assert await run(collection="nothing") == []


async def test_tenants_see_their_own_documents(run: Run) -> None:
    assert await run("other", collection="airports") == ["not yours", "not yours"]
    assert await run("nobody", collection="airports") == []


async def test_a_query_that_does_not_fit_is_a_failure(run: Run) -> None:
    with pytest.raises(ComputeFailedError):
        await run(collection="airports", query="sum([].name)")


async def test_a_source_that_cannot_be_reached_is_transient(
    run: Run, environment: pytest.MonkeyPatch, settings: ComputeSettings
) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(TransientError) as caught:
        await run(collection="airports")
    assert "127.0.0.1" not in caught.value.message


async def test_many_documents_are_loaded_side_by_side(aws: Aws, run: Run) -> None:
    names = [f"{number:03}" for number in range(120)]
    for name in names:
        aws.put_document("acme", "many", name, json.dumps([name]).encode())
    assert await run(collection="many", ids=names[::-1]) == names[::-1]


async def test_without_a_table_or_bucket_there_are_no_documents(settings: ComputeSettings) -> None:
    bare = dataclasses.replace(settings, storage_bucket="")
    parsed = documents.parse_params(b'{"collection": "airports"}')
    with pytest.raises(ComputeFailedError):
        await documents.invoke(parsed, Context(tenant=Tenant("acme"), attempt=1, settings=bare))


class Gauge:
    """Documents that take a few turns of the loop; shows how many loads were under way at once."""

    def __init__(self, expected: int) -> None:
        self.under_way = 0
        self.most = 0
        self._together = asyncio.Barrier(expected)

    async def load(self, references: Any, seconds: float) -> list[bytes]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        async with asyncio.timeout(5):
            await self._together.wait()
        self.under_way -= 1
        return [b"1" for _ in references]


@pytest.mark.parametrize(("size_bytes", "at_once"), [(1000, 5), (20_000_000, 1)])
async def test_large_loads_take_turns_and_small_ones_do_not(
    aws: Aws, settings: ComputeSettings, size_bytes: int, at_once: int
) -> None:
    aws.index_document("acme", "sized", "a", "documents/acme/sized/a.json", size_bytes)
    reader = compute.documents.build(settings)
    gauge = Gauge(at_once)
    reader._store = gauge
    params = documents.parse_params(b'{"collection": "sized"}')
    await asyncio.gather(*(reader.read(Tenant("acme"), params) for _ in range(5)))
    assert gauge.most == at_once


async def test_a_throttled_index_is_reported_as_such(settings: ComputeSettings) -> None:
    class Throttled:
        def find(self, *_: Any) -> Any:
            raise SourceThrottledError(retry_after_ms=1000)

    reader = compute.documents.build(settings)
    reader._index = Throttled()
    with pytest.raises(SourceThrottledError):
        await reader.read(Tenant("acme"), documents.parse_params(b'{"collection": "a", "ids": ["b"]}'))
