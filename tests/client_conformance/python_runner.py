"""Plays the client's part of scenarios with the Python client.

Reads from its input a list of scenarios, each with the `url` to connect to and the `base` of its other addresses, and
writes for each, as it ends, a line of JSON: its `name` and the `outcomes` of its steps.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import sys
import traceback
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pushaside

STEP_SECONDS = 4.0
AT_ONCE = 24

Outcome = dict[str, Any]


class Player:
    """Plays one scenario."""

    def __init__(self, scenario: Mapping[str, Any]) -> None:
        self._base = scenario["base"]
        self._steps = scenario["client"]
        tokens = list(scenario["tokens"])
        attempts = itertools.chain(tokens, itertools.repeat(tokens[-1])) if tokens else None

        async def get_token() -> str:
            assert attempts is not None
            return str(next(attempts))

        settings = pushaside.Settings(**scenario["settings"])
        self._connecting = pushaside.connect(scenario["url"], token=get_token if tokens else None, settings=settings)
        self._opened = contextlib.AsyncExitStack()
        self._under_way: dict[str, asyncio.Task[Outcome]] = {}
        self._subscriptions: dict[str, pushaside.Subscription] = {}

    async def play(self) -> list[Outcome | None]:
        """Do the steps and list their outcomes; that of a step under way is with the one that awaits it."""
        try:
            return [await self._begin(step) for step in self._steps]
        finally:
            for task in self._under_way.values():
                task.cancel()
            await self._opened.aclose()

    async def _begin(self, step: Mapping[str, Any]) -> Outcome | None:
        if "as" not in step:
            return await self._bounded(step)
        self._under_way[step["as"]] = asyncio.create_task(self._bounded(step))
        await asyncio.sleep(0)
        return None

    async def _bounded(self, step: Mapping[str, Any]) -> Outcome:
        try:
            async with asyncio.timeout(STEP_SECONDS) as bound:
                return await self._do(step)
        except pushaside.PushasideError as exc:
            return {"error": exc.code, "retryable": exc.retryable}
        except asyncio.CancelledError:
            return {"cancelled": True}
        except TimeoutError:
            if not bound.expired():
                raise
            return {"hung": True}

    async def _do(self, step: Mapping[str, Any]) -> Outcome:
        match step["do"]:
            case "connect":
                self._client = await self._opened.enter_async_context(self._connecting)
                return {}
            case "request" | "publish" | "ping":
                return await self._ask(step)
            case "subscribe":
                return await self._subscribe(step)
            case "await":
                return await self._under_way[step["of"]]
            case "cancel":
                self._under_way[step["of"]].cancel()
                return {}
            case "close":
                await self._client.close()
                return {}
            case "tell" | "reached":
                where = "tell" if step["do"] == "tell" else "await"
                await asyncio.to_thread(_get, f"{self._base}/{where}/{step['mark']}")
                return {}
            case _:
                return await self._follow(step, self._subscriptions[step["of"]])

    async def _follow(self, step: Mapping[str, Any], subscription: pushaside.Subscription) -> Outcome:
        match step["do"]:
            case "take":
                return await self._take(subscription, step["count"])
            case "take_presence":
                return await self._take_presence(subscription, step["count"])
            case "take_until":
                return await self._take_until(subscription, step["data"])
            case "take_none":
                return await self._take_none(subscription, step["for_seconds"])
            case "look":
                return _look(subscription)
            case "unsubscribe":
                subscription.close()
                return {}
            case unknown:
                raise ValueError(unknown)

    async def _ask(self, step: Mapping[str, Any]) -> Outcome:
        client, times = self._client, {name: step[name] for name in ("deadline", "max_age") if name in step}
        if step["do"] == "ping":
            await client.ping(**times)
            return {}
        if step["do"] == "publish":
            return {"position": await client.publish(step["topic"], step["data"], **times)}
        result = await client.request(step["compute"], step.get("params"), **times)
        known = {"key": result.key, "etag": result.etag, "cache": result.cache}
        return {**known, "age_ms": round(result.age * 1000), "data": result.data}

    async def _subscribe(self, step: Mapping[str, Any]) -> Outcome:
        named = {name: step[name] for name in ("topic", "compute", "params", "since", "patches") if name in step}
        subscription = self._client.subscribe(**named)
        self._subscriptions[step["name"]] = subscription
        await subscription.__aenter__()
        return _look(subscription)

    async def _take(self, subscription: pushaside.Subscription, count: int) -> Outcome:
        updates: list[Outcome] = []
        outcome: Outcome = {"updates": updates}
        try:
            async with asyncio.timeout(STEP_SECONDS - 0.5) as bound:
                while len(updates) < count:
                    updates.append(_tell(await anext(subscription)))
        except StopAsyncIteration:
            outcome["ended"] = True
        except pushaside.PushasideError as exc:
            outcome |= {"error": exc.code, "retryable": exc.retryable}
        except TimeoutError:
            if not bound.expired():
                raise
            outcome["hung"] = True
        return outcome

    async def _take_presence(self, subscription: pushaside.Subscription, count: int) -> Outcome:
        told: list[Outcome] = []
        async for each in subscription.presence():
            told.append({"count": each.count, "joined": list(each.joined), "left": list(each.left)})
            if len(told) == count:
                break
        return {"presence": told}

    async def _take_until(self, subscription: pushaside.Subscription, data: object) -> Outcome:
        while (update := await anext(subscription)).data != data:
            pass
        return _tell(update)

    async def _take_none(self, subscription: pushaside.Subscription, seconds: float) -> Outcome:
        try:
            return {"updates": [_tell(await asyncio.wait_for(anext(subscription), seconds))]}
        except TimeoutError:
            return {"updates": []}


def _tell(update: pushaside.Update) -> Outcome:
    where = {"topic": update.topic, "position": update.position}
    return {**where, "data": update.data, "etag": update.etag, "is_resync": update.is_resync}


def _look(subscription: pushaside.Subscription) -> Outcome:
    failure = subscription.failure
    where = {"topic": subscription.topic, "position": subscription.position}
    return {**where, "value": subscription.value, "failure": None if failure is None else failure.code}


def _get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=STEP_SECONDS) as response:
        response.read()


async def _play(scenario: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"outcomes": await Player(scenario).play()}
    except Exception:  # noqa: BLE001  (whatever it is, it is the report of this scenario, and the others go on)
        return {"outcomes": [], "crash": traceback.format_exc()}


async def _play_all(scenarios: list[dict[str, Any]]) -> None:
    # Those who wait for a mark block a thread each, and others have none to wait for.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2 * AT_ONCE))
    free = asyncio.Semaphore(AT_ONCE)

    async def play(scenario: dict[str, Any]) -> None:
        async with free:
            report = await _play(scenario)
        print(json.dumps({"name": scenario["name"], **report}), flush=True)

    async with asyncio.TaskGroup() as group:
        for scenario in scenarios:
            group.create_task(play(scenario))


def main() -> None:
    """Play all that comes in."""
    logging.getLogger("pushaside").addHandler(logging.NullHandler())
    asyncio.run(_play_all(json.load(sys.stdin)))


if __name__ == "__main__":
    main()
