"""The scripted service: plays its part of every scenario, on real sockets of the loopback interface.

    python -m tests.client_conformance.service --port 8765

A client plays a scenario at `ws://127.0.0.1:8765/scenarios/NAME/RUN/socket`, where RUN is any word, and another one
each time. What the service has to say of it afterwards is at `http://127.0.0.1:8765/scenarios/NAME/RUN/report`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import json
import math
import time
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.client_conformance.catalogue import HERE, Scenario, load_scenarios
from tests.client_conformance.scripts import Part
from tests.client_conformance.templates import dump, fill_in
from tests.patience import PATIENCE_SECONDS

REPORT_SECONDS = 1.5
"""So long a report waits for what is still to come."""

_MARK_SECONDS = 10.0
_SUBPROTOCOL = Subprotocol("pushaside.v1")
_PAGE = "<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>Client conformance</title>"
_FILES = {
    "pushaside.js": HERE.parents[1] / "clients" / "browser" / "pushaside.js",
    "steps.mjs": HERE / "steps.mjs",
}


class Run:
    """One time that a client plays a scenario."""

    def __init__(self, scenario: Scenario, host: str, path: str) -> None:
        self.scenario = scenario
        self.parts: list[Part] = []
        self.problems: list[str] = []
        self.fetches: Counter[str] = Counter()
        self.asked_at = -math.inf
        self._surplus = 0
        self._progress = asyncio.Event()
        self._refusals = 0
        self._names: dict[str, Any] = {
            "links": {name: f"http://{host}{path}/links/{name}" for name in scenario["links"]}
        }
        self._marks: dict[str, asyncio.Event] = {}

    # As `scripts.Marks`

    def set(self, mark: str) -> None:
        """Note that something is reached."""
        self._marks.setdefault(mark, asyncio.Event()).set()

    async def wait(self, mark: str) -> None:
        """Wait until it is."""
        await self._marks.setdefault(mark, asyncio.Event()).wait()

    def note_progress(self) -> None:
        """Note that a part is played, or has gone wrong."""
        self._progress.set()

    # The connections

    @property
    def opened(self) -> int:
        """How many connections there were, those included that were refused."""
        return len(self.parts) + self._refusals

    def next_script(self) -> dict[str, Any] | None:
        """Take the script of the connection that is being opened; None if there is to be none."""
        scripts = self.scenario["service"]
        if self.opened < len(scripts):
            script: dict[str, Any] = scripts[self.opened]
            return script
        if scripts and scripts[-1].get("repeats"):
            last: dict[str, Any] = scripts[-1]
            return last
        return None

    def refuse(self) -> None:
        """Note that a connection was refused."""
        self._refusals += 1
        self.note_progress()

    def refuse_surplus(self) -> None:
        """Note that one more connection was opened than there should be."""
        self._surplus += 1

    def begin(self, script: dict[str, Any]) -> Part:
        """Begin to play a connection's part."""
        part = Part(self.opened + 1, script, self._names, self)
        self.parts.append(part)
        return part

    # Links

    def fetch(self, name: str) -> dict[str, Any]:
        """Count a fetch of a link, and give what it is answered with."""
        answers = self.scenario["links"][name]["answers"]
        answer: dict[str, Any] = answers[min(self.fetches[name], len(answers) - 1)]
        self.fetches[name] += 1
        filled: dict[str, Any] = fill_in(answer, self._names)
        return filled

    # The report

    async def report(self) -> dict[str, Any]:
        """Tell what was not as it should be, once the script is played or some time has passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REPORT_SECONDS):
                while not self._is_played:
                    self._progress.clear()
                    await self._progress.wait()
        problems = self.problems + [each for part in self.parts for each in part.tell_problems()]
        if self._surplus:
            problems.append(f"{self._surplus} more connections were opened than there should be")
        missing = self._needed - self.opened
        if missing > 0:
            problems.append(f"{missing} more connections were to be opened")
        for name, link in self.scenario["links"].items():
            if "fetches" in link and self.fetches[name] != link["fetches"]:
                problems.append(f"the link {name} was followed {self.fetches[name]} times, not {link['fetches']}")
        received = [message for part in self.parts for message in part.received]
        return {"problems": problems, "received": received}

    @property
    def _is_played(self) -> bool:
        return self.opened >= self._needed and all(part.is_finished or part.problems for part in self.parts)

    @property
    def _needed(self) -> int:
        return sum(not script.get("optional") for script in self.scenario["service"])


class Service:
    """Answers what comes to its port: sockets, links, marks, reports, and the files that a page needs."""

    def __init__(self) -> None:
        self.scenarios = load_scenarios()
        self._runs: dict[str, Run] = {}
        self._begun: dict[ServerConnection, Part] = {}

    async def listen(self, port: int = 0) -> Server:
        """Begin to listen, on a free port if on none in particular."""
        return await serve(
            self._play,
            "127.0.0.1",
            port,
            process_request=self._process_request,
            select_subprotocol=lambda _connection, offered: _SUBPROTOCOL if _SUBPROTOCOL in offered else None,
            compression=None,
            ping_interval=None,
            # As API Gateway has it: a message, and a frame of it.
            max_size=(128 * 1024, 32 * 1024),
            open_timeout=PATIENCE_SECONDS,
            close_timeout=1,
        )

    async def _play(self, connection: ServerConnection) -> None:
        await self._begun.pop(connection).play(connection)

    async def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        match urlsplit(request.path).path.strip("/").split("/"):
            case ["scenarios"]:
                return _answer_json(list(self.scenarios.values()))
            case ["scenarios", name, run, *rest] if name in self.scenarios:
                path = f"/scenarios/{name}/{run}"
                found = self._runs.get(path) or self._begin(path, name, request.headers["Host"])
                return await self._process_of_run(found, rest, connection, request)
            case ["page"]:
                return _answer(_PAGE.encode(), "text/html")
            case ["page", file] if file in _FILES:
                text = await asyncio.to_thread(_FILES[file].read_bytes)
                return _answer(text, "text/javascript")
            case _:
                return connection.respond(HTTPStatus.NOT_FOUND, "There is nothing here.\n")

    def _begin(self, path: str, name: str, host: str) -> Run:
        run = self._runs[path] = Run(self.scenarios[name], host, path)
        return run

    async def _process_of_run(
        self, run: Run, rest: list[str], connection: ServerConnection, request: Request
    ) -> Response | None:
        match rest:
            case ["socket"]:
                return await self._shake_hands(run, connection, request)
            case ["links", name] if name in run.scenario["links"]:
                return await _follow(run.fetch(name))
            case ["tell", mark]:
                run.set(mark)
                return _answer_json(None)
            case ["await", mark]:
                async with asyncio.timeout(_MARK_SECONDS):
                    await run.wait(mark)
                return _answer_json(None)
            case ["report"]:
                return _answer_json(await run.report())
            case _:
                return connection.respond(HTTPStatus.NOT_FOUND, "There is nothing here.\n")

    async def _shake_hands(self, run: Run, connection: ServerConnection, request: Request) -> Response | None:
        script = run.next_script()
        if script is None:
            run.refuse_surplus()
            return connection.respond(HTTPStatus.CONFLICT, "No more connections are expected.\n")
        handshake = script.get("handshake", {})
        _check_time(run, handshake)
        token = handshake.get("token")
        if token is not None and token not in _tokens(request):
            run.problems.append(f"connection {run.opened + 1}: the token should be {token}, not {_tokens(request)}")
        if "reach" in handshake:
            run.set(handshake["reach"])
        if "await" in handshake:
            await run.wait(handshake["await"])
        if "status" not in handshake and "cut" not in handshake:
            self._begun[connection] = run.begin(script)
            return None
        run.refuse()
        await asyncio.sleep(handshake.get("delay_seconds", 0))
        if "cut" in handshake:
            connection.transport.abort()
        response = connection.respond(HTTPStatus(handshake.get("status", 503)), "The scenario wants it so.\n")
        for name, value in handshake.get("headers", {}).items():
            response.headers[name] = value
        return response


def _check_time(run: Run, handshake: Mapping[str, Any]) -> None:
    """Note whether a connection comes too soon after the one before it."""
    now, since = time.monotonic(), run.asked_at
    run.asked_at = now
    if now - since < handshake.get("not_before_seconds", 0):
        run.problems.append(f"connection {run.opened + 1}: it came after {now - since:.2f} s already")


def _tokens(request: Request) -> list[str]:
    """List the tokens that are shown, in either of the two ways."""
    shown = [each.removeprefix("Bearer ") for each in request.headers.get_all("Authorization")]
    for header in request.headers.get_all("Sec-WebSocket-Protocol"):
        offered = [each.strip() for each in header.split(",")]
        shown += [each.removeprefix("bearer.") for each in offered if each.startswith("bearer.")]
    return shown


async def _follow(answer: dict[str, Any]) -> Response:
    await asyncio.sleep(answer.get("delay_seconds", 0))
    status = answer.get("status", 200)
    if status != HTTPStatus.OK:
        return _answer(b"<Error/>", "application/xml", status=status)
    text = answer["text"].encode() if "text" in answer else dump(answer["json"]).encode()
    if answer.get("encoding") == "identity":
        return _answer(text, "application/json")
    return _answer(gzip.compress(text, mtime=0), "application/json", encoding="gzip")


def _answer_json(value: object) -> Response:
    return _answer(json.dumps(value).encode(), "application/json")


def _answer(body: bytes, content_type: str, *, status: int = 200, encoding: str | None = None) -> Response:
    headers = Headers({"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"})
    headers["Cache-Control"] = "no-store"
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return Response(status, HTTPStatus(status).phrase, headers, body)


async def _serve(port: int) -> None:
    server = await Service().listen(port)
    address = server.sockets[0].getsockname()
    print(f"http://{address[0]}:{address[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until interrupted; the first line of the output is the URL."""
    parser = argparse.ArgumentParser(prog=Path(__file__).stem, description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="a free one if left out")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
