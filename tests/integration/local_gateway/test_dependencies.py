"""`/_local/dependencies`: the tags of a stored result, by its key."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
from redis.asyncio import Redis

from local.gateway.server import Gateway
from local.page.dependencies import PATH, Dependencies
from push.adapters.redis.connection import result_name
from push.computes import Tenant
from push.keys import Key
from push.results import serialize_result
from tests.builders.results import make_result
from tests.integration.local_gateway.served_gateways import Serve
from tests.integration.local_gateway.test_http_api import fetch, get, http_api, post

DIGEST = "5f" * 16
KEY = f"documents@1:{DIGEST}"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        await client.flushdb()
        yield client


@pytest.fixture
async def gateway(serve: Serve, redis_url: str) -> AsyncIterator[Gateway]:
    dependencies = Dependencies(redis_url)
    yield await serve(None, http_api(), own_routes={PATH: dependencies.route})
    await dependencies.close()


async def store(redis: Redis, tenant: str, *tags: str) -> None:
    key = Key(Tenant(tenant), "documents", 1, DIGEST)
    await redis.set(result_name(key), serialize_result(make_result(b"[]", tags=tags)))


async def test_the_tags_of_a_result_are_those_it_was_stored_with(gateway: Gateway, redis: Redis) -> None:
    await store(redis, "public", "collection:books", "document:books/1")
    status, headers, body = await fetch(gateway, get(f"{PATH}?key={KEY}"))
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert orjson.loads(body) == {"key": KEY, "tags": ["collection:books", "document:books/1"]}


async def test_the_results_of_all_tenants_count(gateway: Gateway, redis: Redis) -> None:
    await store(redis, "acme", "a")
    await store(redis, "umbrella", "b")
    _, _, body = await fetch(gateway, get(f"{PATH}?key={KEY}"))
    assert orjson.loads(body)["tags"] == ["a", "b"]


async def test_a_result_that_is_not_stored_has_no_tags(gateway: Gateway, redis: Redis) -> None:
    status, _, body = await fetch(gateway, get(f"{PATH}?key={KEY}"))
    assert (status, orjson.loads(body)["tags"]) == (200, [])


@pytest.mark.parametrize("query", ["", "?key=", "?key=*", f"?key=*@1:{DIGEST}", f"?key={KEY}*"])
async def test_what_is_no_key_is_refused(gateway: Gateway, redis: Redis, query: str) -> None:
    status, _, body = await fetch(gateway, get(f"{PATH}{query}"))
    assert (status, orjson.loads(body)) == (400, {"message": "`key` must be the key of a result."})


async def test_only_get_is_answered(gateway: Gateway) -> None:
    status, headers, _ = await fetch(gateway, post(PATH, b"{}"))
    assert (status, headers["allow"]) == (405, "GET")


async def test_a_result_of_another_format_is_said_to_be_unreadable(gateway: Gateway, redis: Redis) -> None:
    await redis.set(result_name(Key(Tenant("public"), "documents", 1, DIGEST)), b"none of ours")
    status, _, body = await fetch(gateway, get(f"{PATH}?key={KEY}"))
    assert status == 503
    assert b"cannot be read" in body


async def test_a_redis_that_is_not_reached_is_said(serve: Serve, unused_tcp_port: int) -> None:
    dependencies = Dependencies(f"redis://127.0.0.1:{unused_tcp_port}/0")
    gateway = await serve(None, http_api(), own_routes={PATH: dependencies.route})
    status, _, body = await fetch(gateway, get(f"{PATH}?key={KEY}"))
    await dependencies.close()
    assert status == 503
    assert orjson.loads(body)["message"].startswith("The result cannot be read: ")
