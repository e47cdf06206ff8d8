"""A Lambda service whose functions are Python callables in the test's own process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import orjson

from local.functions.invocation import Invocation, Outcome
from tests.patience import PATIENCE_SECONDS


class FakeFunctions:
    """Runs `handlers[function](event)` and tells `on_end` what came of it.

    A handler returns its answer; raises; or returns an `Invocation`, or a future of either, as the end itself.
    """

    def __init__(self, **handlers: Callable[[dict[str, Any]], Any]) -> None:
        self.handlers = handlers
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._arrived = asyncio.Event()

    def invoke(self, function: str, event: bytes, on_end: Callable[[Invocation], None]) -> None:
        asyncio.get_running_loop().call_soon(self._run, function, orjson.loads(event), on_end)

    async def event(self, function: str, number: int = 1) -> dict[str, Any]:
        """Wait for the function's nth event."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.events[function]) < number:
                self._arrived.clear()
                await self._arrived.wait()
        return self.events[function][number - 1]

    def _run(self, function: str, event: dict[str, Any], on_end: Callable[[Invocation], None]) -> None:
        self.events[function].append(event)
        self._arrived.set()
        try:
            answer = self.handlers[function](event)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its answer
            document = {"errorMessage": str(error), "errorType": type(error).__name__}
            on_end(Invocation(Outcome.RAISED, orjson.dumps(document)))
            return
        if isinstance(answer, asyncio.Future):
            answer.add_done_callback(lambda done: on_end(_ended(done.result())))
        else:
            on_end(_ended(answer))


def _ended(answer: Any) -> Invocation:
    return answer if isinstance(answer, Invocation) else Invocation(Outcome.RETURNED, orjson.dumps(answer))


def ok(event: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": 200}


def echo(event: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": 200, "body": event["body"]}


def allow(event: dict[str, Any], **context: Any) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "user", "policyDocument": policy, "context": context}
