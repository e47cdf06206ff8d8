"""A source that nobody reports changes; its tag is raised by name, and subscribers receive the new value."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

import pushaside
from local.application.new_command import make_application
from tests.e2e.conftest import Stack, running
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

COMPUTES = '''
"""Results that change whenever they are computed."""

import time

from push import Context, compute


@compute(ttl=300.0, stale_ttl=300.0, tags=lambda currency: [f"rates/{currency}"])
async def rate(currency: str) -> int:
    """The rate of a currency, from a service elsewhere."""
    return time.time_ns()


@compute(ttl=300.0, stale_ttl=300.0, scope="shared")
async def holidays(context: Context, year: int) -> int:
    """The holidays of a year, from a service elsewhere."""
    context.depends_on("holidays")
    return time.time_ns()
'''


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("raised")
    make_application(folder / "shop")
    (folder / "shop" / "computes" / "rates.py").write_text(COMPUTES)
    with running(folder, "--app", str(folder / "shop"), "--explain") as started:
        yield started


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[pushaside.Client]:
    async with pushaside.connect(stack.websocket) as client:
        yield client


async def take(subscription: pushaside.Subscription) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return (await anext(subscription)).data


async def raise_tags(stack: Stack, **body: object) -> None:
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        answer = await http.post(f"{stack.http.rstrip('/')}/changes", json=body)
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})


async def test_subscribers_of_a_tags_results_receive_the_new_value_and_no_others(
    stack: Stack, client: pushaside.Client
) -> None:
    subject = {"currency": "EUR"}
    async with client.subscribe(compute="rate", params=subject) as rate:
        first = await take(rate)
        before = (await client.request("rate", {"currency": "CHF"})).data
        await raise_tags(stack, tags=["rates/EUR"])
        assert await take(rate) > first
    assert (await client.request("rate", {"currency": "CHF"})).data == before
    assert stack.stats()["computes"]["rate"] == 3


async def test_a_result_without_subscribers_is_computed_when_a_caller_requests_it(
    stack: Stack, client: pushaside.Client
) -> None:
    first = (await client.request("rate", {"currency": "SEK"})).data
    computes = stack.stats()["computes"]["rate"]
    await raise_tags(stack, tags=["rates/SEK"])
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await client.request("rate", {"currency": "SEK"})).data == first:
            assert stack.stats()["computes"]["rate"] <= computes + 1
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("scope", ["shared", "all"])
async def test_a_shared_results_tag_is_raised_in_the_shared_scope_or_in_all(
    stack: Stack, client: pushaside.Client, scope: str
) -> None:
    async with client.subscribe(compute="holidays", params={"year": 2026 if scope == "all" else 2027}) as holidays:
        first = await take(holidays)
        await raise_tags(stack, tags=["holidays"], scope=scope)
        assert await take(holidays) > first


async def test_the_log_says_which_result_became_stale_and_why(stack: Stack, client: pushaside.Client) -> None:
    key = (await client.request("rate", {"currency": "NOK"})).key
    await raise_tags(stack, tags=["rates/NOK"])
    sentence = f"ChangeFunction: public/{key} is stale: rates/NOK changed"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sentence not in stack.log.read_text().splitlines():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
