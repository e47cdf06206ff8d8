"""Content of any size and fate."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from compute.synthetic import CRASH_EXIT_CODE, MAX_SIZE_BYTES, make_content, synthetic
from push.computes import Tenant, load_registry
from push.errors import ComputeFailedError, ErrorCode, RequestError, TransientError
from push.settings import BUILT_IN_COMPUTES, ComputeSettings, offered_modules
from push.sources.contexts import Context
from tests.patience import PATIENCE_SECONDS

SETTINGS = ComputeSettings(
    cache_url="redis://127.0.0.1:1/0",
    compute_queue_url="",
    fan_out_queue_url="",
    subscriptions_table="",
    delivery_queue_url="",
    connections_table="",
    requests_table="",
    webhook_queue_url="",
    storage_bucket="",
    aws_endpoint_url_apigatewaymanagementapi="",
)


async def run(*, attempt: int = 1, **params: Any) -> object:
    parsed = synthetic.parse_params(msgspec.json.encode(params))
    value = await synthetic.invoke(parsed, Context(tenant=Tenant("acme"), attempt=attempt, settings=SETTINGS))
    assert isinstance(value, msgspec.Raw)
    return bytes(value)


@pytest.mark.parametrize("size_bytes", [50, 51, 1000, 131_072, MAX_SIZE_BYTES])
def test_content_is_json_of_exactly_the_size_asked_for(size_bytes: int) -> None:
    content = make_content(size_bytes, "seed")
    assert len(content) == size_bytes
    assert json.loads(content)["seed"] == "seed"


def test_smaller_content_than_the_seed_needs_is_the_smallest_there_is() -> None:
    assert json.loads(make_content(0, "seed")) == {"seed": "seed", "text": ""}


async def test_the_same_seed_makes_the_same_content_and_another_another() -> None:
    assert await run(seed=7) == await run(seed=7)
    assert await run(seed=7) != await run(seed=8)
    assert await run(seed=7) != await run(seed="7")


async def test_it_fails_once_when_asked() -> None:
    with pytest.raises(TransientError):
        await run(fail="once")
    assert await run(fail="once", attempt=2)


async def test_it_fails_always_when_asked() -> None:
    for attempt in (1, 2, 3):
        with pytest.raises(ComputeFailedError):
            await run(fail="always", attempt=attempt)


def test_it_kills_its_process_when_asked() -> None:
    code = """
import asyncio, sys
sys.path.insert(0, "src")
from compute.synthetic import synthetic
asyncio.run(synthetic(None, fail="crash"))
"""
    ended = subprocess.run([sys.executable, "-c", code], timeout=PATIENCE_SECONDS, check=False)
    assert ended.returncode == CRASH_EXIT_CODE


async def test_the_work_takes_as_long_as_asked_and_holds_nobody_up() -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    await asyncio.gather(*(run(work_ms=100, seed=seed) for seed in range(20)))
    assert 0.1 <= loop.time() - started < 1.0


@pytest.mark.parametrize(
    "params",
    [
        {"size_bytes": -1},
        {"size_bytes": MAX_SIZE_BYTES + 1},
        {"work_ms": 20_001},
        {"fail": "sometimes"},
        {"seed": "x" * 65},
        {"seed": 1.5},
        {"other": 1},
    ],
    ids=str,
)
def test_params_that_do_not_fit_are_invalid(params: dict[str, object]) -> None:
    with pytest.raises(RequestError) as caught:
        synthetic.parse_params(msgspec.json.encode(params))
    assert caught.value.code is ErrorCode.INVALID_PARAMS


def test_everything_has_a_default() -> None:
    assert synthetic.parse_params(b"{}") == synthetic.params()


@pytest.mark.parametrize("modules", [BUILT_IN_COMPUTES, f"{BUILT_IN_COMPUTES},compute.synthetic"])
def test_unless_it_is_allowed_there_is_no_such_compute(modules: str) -> None:
    refusing = load_registry(offered_modules(modules, allow_synthetic=False))
    allowing = load_registry(offered_modules(modules, allow_synthetic=True))
    with pytest.raises(RequestError) as caught:
        refusing.find("synthetic")
    assert caught.value.code is ErrorCode.UNKNOWN_COMPUTE
    assert allowing.find("synthetic") is synthetic
