"""Plays the service's part of a scenario on one connection, step by step, and notes what was not as it should be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tests.client_conformance.messages import Step, make_welcome, messages_of
from tests.client_conformance.patterns import has_members
from tests.client_conformance.templates import dump

EXPECT_SECONDS = 4.0
"""So long a step waits for what the client is to do."""

_ANSWERED = ("hello", "ping", "unsubscribe")
"""These are answered as they come, unless a step of the connection expects them."""


class Marks(Protocol):
    """What either side of a run has reached, for the other to wait for."""

    def set(self, mark: str) -> None:
        """Note that something is reached."""

    async def wait(self, mark: str) -> None:
        """Wait until it is."""

    def note_progress(self) -> None:
        """Note that a part is played, or has gone wrong."""


class Part:
    """The service's part on one connection; `names` are those of the whole run."""

    def __init__(self, number: int, script: Mapping[str, Any], names: dict[str, Any], marks: Marks) -> None:
        self.number = number
        self.problems: list[str] = []
        self.received: list[object] = []
        self.is_finished = False
        self._script = script
        self._steps: list[Step] = script.get("steps", [])
        self._names = names
        self._marks = marks
        self._inbox: list[dict[str, Any]] = []
        self._arrived = asyncio.Event()
        self._forgotten: list[Mapping[str, Any]] = []
        self._step: Step | None = None
        self._has_ended_it = False
        self._is_over = False
        expected = {step["expect"].get("action") for step in self._steps if "expect" in step}
        if any("expect_resumption" in step for step in self._steps):
            expected.add("hello")
        self._answered = {each for each in _ANSWERED if each not in expected}

    async def play(self, connection: ServerConnection) -> None:
        """Play it, until the connection is closed by either side."""
        reading = asyncio.create_task(self._read(connection))
        try:
            for step in self._steps:
                self._step = step
                await self._do(step, connection)
            self.is_finished = True
            self._step = None
        except _NotAsExpectedError as exc:
            self.problems.append(f"connection {self.number}: {exc}")
        except KeyError as exc:
            self.problems.append(f"connection {self.number}: {dump(self._step)} names {exc}, which has not come")
        except ConnectionClosed:
            if self._script.get("may_end"):
                self.is_finished, self._step = True, None
            else:
                self.problems.append(f"connection {self.number}: it was closed before {dump(self._step)}")
        finally:
            self._marks.note_progress()
            await reading

    def tell_problems(self) -> list[str]:
        """Tell what was not as it should be, as far as it is known."""
        problems = list(self.problems)
        if self._step is not None and not problems:
            problems.append(f"connection {self.number}: it is still at {dump(self._step)}")
        if not self._has_ended_it:
            problems += [f"connection {self.number}: nobody expected {dump(each)}" for each in self._left()]
        return problems

    def _left(self) -> list[dict[str, Any]]:
        """List what has come and was not expected, but for what was to be forgotten."""
        return [
            each
            for each in self._inbox
            if not any(has_members(each, pattern, self._names) for pattern in self._forgotten)
        ]

    async def _read(self, connection: ServerConnection) -> None:
        try:
            async for text in connection:
                await self._take(connection, text)
        except ConnectionClosed:
            pass  # An end without a farewell is one, too; a step says whether it was to come.
        finally:
            self._is_over = True
            self._arrived.set()

    async def _take(self, connection: ServerConnection, text: str | bytes) -> None:
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        self.received.append(message)
        action = message.get("action") if isinstance(message, dict) else None
        if not isinstance(action, str):
            self.problems.append(f"connection {self.number}: {text!r} is no message")
        elif action in self._answered:
            await connection.send(dump(self._answer(message)))
        else:
            self._inbox.append(message)
            self._arrived.set()

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        match message["action"]:
            case "ping":
                return {"type": "pong"}
            case "unsubscribe":
                return {"type": "unsubscribed", "id": message.get("id"), "topic": message.get("topic")}
            case _:
                return self._welcome(message.get("id"))

    def _welcome(self, hello_id: object) -> dict[str, Any]:
        return make_welcome(hello_id, self._script.get("welcome", {}))

    # Steps

    async def _do(self, step: Step, connection: ServerConnection) -> None:
        match step:
            case {"expect": pattern}:
                self._name(step, await self._expect(lambda each: has_members(each, pattern, self._names), step))
            case {"expect_resumption": wanted}:
                await self._resume(wanted, step, connection)
            case {"expect_none": pattern, "for_seconds": seconds}:
                await self._expect_none(pattern, seconds)
            case {"discard": pattern}:
                self._inbox = [each for each in self._inbox if not has_members(each, pattern, self._names)]
            case {"forget": pattern}:
                self._forgotten.append(pattern)
            case {"expect_closed": _}:
                await self._expect_closed(connection)
            case {"wait_seconds": seconds}:
                await asyncio.sleep(seconds)
            case {"reach": mark}:
                self._marks.set(mark)
            case {"await": mark}:
                await self._marks.wait(mark)
            case {"close": code}:
                self._has_ended_it = True
                await connection.close(code)
            case {"cut": _}:
                self._has_ended_it = True
                connection.transport.abort()
            case _:
                await self._send(step, connection)

    async def _send(self, step: Step, connection: ServerConnection) -> None:
        match step:
            case {"send_text": text}:
                await connection.send(text)
            case {"send_binary": digits}:
                await connection.send(bytes.fromhex(digits))
            case {"send_bytes": digits}:
                # Around the library, which writes no frame that is not one.
                connection.transport.write(bytes.fromhex(digits))
            case _:
                for message in messages_of(step, self._names):
                    await connection.send(dump(message))

    def _name(self, step: Step, message: dict[str, Any]) -> None:
        if "as" in step:
            self._names[step["as"]] = message

    async def _expect(self, is_it: Callable[[dict[str, Any]], bool], step: Step) -> dict[str, Any]:
        try:
            async with asyncio.timeout(EXPECT_SECONDS):
                while True:
                    for message in self._inbox:
                        if is_it(message):
                            self._inbox.remove(message)
                            return message
                    await self._wait_for_more(step)
        except TimeoutError:
            found = ", ".join(map(dump, self._inbox)) or "nothing"
            raise _NotAsExpectedError(f"{dump(step)} has not come, but {found}") from None

    async def _wait_for_more(self, step: Step) -> None:
        if self._is_over:
            raise _NotAsExpectedError(f"it was closed before {dump(step)}")
        self._arrived.clear()
        await self._arrived.wait()

    async def _resume(self, wanted: Mapping[str, Any], step: Step, connection: ServerConnection) -> None:
        """Take a subscription since a position, made in either of the two ways, and say that it holds."""
        topic, since = wanted["topic"], wanted["since"]

        def is_it(message: dict[str, Any]) -> bool:
            if message["action"] == "hello":
                return bool((message.get("positions") or {}).get(topic) == since)
            return message["action"] == "subscribe" and has_members(message, wanted, self._names)

        message = await self._expect(is_it, step)
        self._name(step, message)
        if message["action"] == "hello":
            await connection.send(dump(self._welcome(message["id"])))
            return
        for hello in [each for each in self._inbox if each["action"] == "hello"]:
            self._inbox.remove(hello)
            await connection.send(dump(self._welcome(hello["id"])))
        self._answered.add("hello")
        subscribed = {"type": "subscribed", "id": message["id"], "topic": topic, "position": since, "recovered": True}
        await connection.send(dump(subscribed))

    async def _expect_none(self, pattern: Mapping[str, Any], seconds: float) -> None:
        await asyncio.sleep(seconds)
        for message in self._left():
            if has_members(message, pattern, self._names):
                raise _NotAsExpectedError(f"{dump(message)} should not have come")

    async def _expect_closed(self, connection: ServerConnection) -> None:
        try:
            async with asyncio.timeout(EXPECT_SECONDS):
                await connection.wait_closed()
        except TimeoutError:
            raise _NotAsExpectedError("the client has not closed it") from None


class _NotAsExpectedError(Exception):
    """The client did something else than it should."""
