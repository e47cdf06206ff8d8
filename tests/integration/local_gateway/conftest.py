from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from local.gateway.api import HttpApi, Limits, WebSocketApi
from local.gateway.server import Gateway
from tests.integration.local_gateway.fake_functions import FakeFunctions, echo, ok
from tests.integration.local_gateway.served_gateways import Serve, websocket_api


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def functions() -> FakeFunctions:
    return FakeFunctions(connect=ok, disconnect=ok, echo=echo)


@pytest.fixture
async def serve(functions: FakeFunctions) -> AsyncIterator[Serve]:
    """Start gateways for a test and close them after it."""
    gateways = []

    async def start(
        api: WebSocketApi | None = None, http_api: HttpApi | None = None, limits: Limits | None = None, **routes
    ) -> Gateway:
        gateway = Gateway(api, http_api, limits or Limits(), functions, **routes)
        await gateway.start("127.0.0.1", 0)
        gateways.append(gateway)
        return gateway

    yield start
    for gateway in gateways:
        await gateway.close(1.0)


@pytest.fixture
async def gateway(serve: Serve) -> Gateway:
    return await serve(websocket_api())
