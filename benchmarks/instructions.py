"""Count the Python instructions and calls into C of the hot paths, and compare them with stored counts.

Seconds differ by machine and by minute. These counts are the same on every run of one version of Python, so they show
a longer path at once, even on a busy machine. They do not show the time of C code, the system or Redis; the other
benchmarks do.

Counts are per call: the median of many after a warm-up. The file `instructions.json` stores them by version of
Python. The run fails if a count has grown by more than `TOLERANCE`; `--write` stores the new counts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import msgspec

from benchmarks._measuring import print_table
from benchmarks.hit_path import fill, make_contents, make_event, prepare_ours
from local.functions.handler_calls import HandlerCalls
from local.functions.invocation import Invocation, Outcome
from local.functions.lambda_context import FunctionIdentity
from local.gateway.api import FunctionIntegration, Limits, WebSocketApi, WebSocketRoute
from local.gateway.integration_calls import IntegrationCalls
from local.gateway.request_clock import RequestClock
from local.gateway.request_ids import RequestIds
from local.gateway.websocket_connection import WebSocketConnection
from local.gateway.websocket_stage import WebSocketStage
from push.adapters.aws.sigv4 import Credentials, Signer
from push.adapters.management.push_requests import PushRequests
from push.computes import Tenant
from push.sources.contexts import Context
from push.testing.applications import MemorySources
from push.testing.tables import MemoryTable
from pushaside.protocol.messages import read_message
from pushaside.protocol.questions import GZIP, ask_compute
from pushaside.session.session import Session
from pushaside.settings import Settings
from tests.servers.valkey import valkey

KEPT = Path(__file__).with_suffix(".json")
TOLERANCE = 0.03
WARM_UP, CALLS = 300, 200
Call = Callable[[], object]


# ---------------------------------------------------------------- counting


def count_instructions(call: Call) -> int:
    """Count the Python instructions of a call, including those of the functions that it calls."""
    executed = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401 - what settrace wants
        nonlocal executed
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        executed += event == "opcode"
        return trace

    return _count_under(sys.settrace, trace, call, lambda: executed)


def count_calls_into_c(call: Call) -> int:
    """Count the calls of C functions by a call's Python code."""
    called = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal called
        called += event == "c_call"

    return _count_under(sys.setprofile, profile, call, lambda: called)


def _count_under(install: Callable[[Any], None], hook: object, call: Call, count: Callable[[], int]) -> int:
    for _ in range(WARM_UP):
        call()
    counts = [count()]
    for _ in range(CALLS):
        install(hook)
        call()
        install(None)
        counts.append(count())
    return statistics.median_low(after - before for before, after in pairwise(counts))


# ---------------------------------------------------------------- hot paths


class Nowhere:
    """A transport that drops its bytes, and a loop whose turn ends at once."""

    def write(self, data: bytes) -> None:
        """Drop bytes."""

    def is_closing(self) -> bool:
        """Stay open."""
        return False

    def add(self, writer: WebSocketConnection) -> None:
        """Do nothing: the connection flushes at the end of the received bytes."""

    def invoke(self, function: str, event: bytes, on_end: Callable[[Invocation], None]) -> None:  # noqa: ARG002
        """Answer like a function with a result of 500 bytes."""
        on_end(ANSWER)


ANSWER = Invocation(Outcome.RETURNED, msgspec.json.encode({"statusCode": 200, "body": "x" * 500}))
MESSAGE = b'{"action":"request","id":"1","compute":"documents","params":{"collection":"airports","ids":["TX"]}}'


def make_gateway() -> Call:
    """Return the path of the gateway: a client's message to a function's event, and its answer to a frame."""
    nowhere: Any = Nowhere()
    route = WebSocketRoute("request", FunctionIntegration("request"), has_response=True)
    api = WebSocketApi("api", "v1", "$request.body.action", {"request": route})
    calls = IntegrationCalls(nowhere)
    stage = WebSocketStage(api, Limits(), calls, clock=RequestClock(), ids=RequestIds(), now=lambda: 0.0)
    stage.outgoing = nowhere
    connection = WebSocketConnection("id", b"", nowhere, stage, Limits(), outgoing=nowhere, now=lambda: 0.0)
    frame = bytes((0x81, 0x80 | len(MESSAGE))) + bytes(4) + MESSAGE
    return partial(connection.data_received, frame)


def make_worker() -> Call:
    """Return the path of a worker: an event to a handler, and its answer written."""
    identity = FunctionIdentity(
        name="f", arn="arn:aws:lambda:f", memory_megabytes=512, log_group_name="f", log_stream_name="f"
    )
    calls = HandlerCalls(identity, "0" * 24, 30)
    calls.handler = lambda _event, _context: {"statusCode": 200, "body": "x" * 500}
    return partial(calls.call, 1, msgspec.json.encode(make_event(500)))


def make_push() -> Call:
    """Return the path of a push: a frame to a signed request to `@connections`."""
    signer = Signer(Credentials("AKIDEXAMPLE", "secret"), service="execute-api", region="us-east-1")
    requests = PushRequests("http://127.0.0.1:9/v1", signer)
    body = b"x" * 200
    return partial(requests.render, "L0SM9cOFvHcCIhw=", body, hashlib.sha256(body).hexdigest())


def make_client() -> Call:
    """Return the path of the Python client: a request to a message, and its answer to a result."""
    names = iter(range(10**9))
    session = Session(Settings(), random=lambda: 0.0, new_id=lambda: f"{next(names)}")
    session.start()
    session.take_effects()
    session.link_opened(1, 0.0)
    session.take_effects()

    def request() -> None:
        asked = session.ask(ask_compute("documents", {"collection": "airports"}, max_age=None, accept=GZIP), 30.0, 0.0)
        session.take_effects()
        head = f'{{"type":"result","id":"{asked}","key":"documents@1:ab","etag":"e","cache":"hit","age_ms":1,'
        session.received(1, read_message(f'{head}"data":[1]}}'.encode(), 10_000), 0.0)
        session.take_effects()

    return request


def make_tracked_query() -> Call:
    """Return the path of a run that queries a table: the context, the tags, and the read of an empty table."""
    sources = MemorySources({"Orders": MemoryTable("Orders", partition="customer", sort="placed_at")})

    def run() -> None:
        context = Context(tenant=Tenant("shop"), sources=sources)
        reading = context.table("Orders").query({"customer": "ann"}, begins_with={"placed_at": "2026-11"})
        with contextlib.suppress(StopIteration):
            reading.send(None)

    return run


def make_paths(url: str) -> Iterator[tuple[str, Call]]:
    """Return all hot paths by name, with Redis at the URL."""
    size = 500
    asyncio.run(fill(url, {size: make_contents()[size]}))
    for name, batches in prepare_ours(url):
        yield f"hit, {name.partition(', ')[2]}: the request function", partial(cast(Any, batches[0]), 1)
    yield "message through the gateway", make_gateway()
    yield "event through the runtime's worker", make_worker()
    yield "push: one signed request", make_push()
    yield "request of the Python client", make_client()
    yield "tags of a query of a table", make_tracked_query()


# ---------------------------------------------------------------- stored counts


def read_kept() -> dict[str, dict[str, list[int]]]:
    """Return the stored counts: by version of Python and by path, the two counts."""
    kept: dict[str, dict[str, list[int]]] = msgspec.json.decode(KEPT.read_bytes()) if KEPT.exists() else {}
    return kept


def compare(kept: list[int] | None, counted: list[int]) -> str:
    """Compare counts with the stored ones.

    >>> compare([100, 10], [100, 10]), compare([100, 10], [98, 10]), compare([100, 10], [110, 10])
    ('same', 'less', 'MORE')
    """
    if kept is None:
        return "new"
    if any(now > before * (1 + TOLERANCE) + 1 for before, now in zip(kept, counted, strict=True)):
        return "MORE"
    return "same" if kept == counted else "less" if counted < kept else "nearly the same"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="store the new counts")
    options = parser.parse_args()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    kept = read_kept()
    with valkey() as url, Path(os.devnull).open("w") as output, contextlib.redirect_stdout(output):
        counted = {name: [count_instructions(call), count_calls_into_c(call)] for name, call in make_paths(url)}
    before = kept.get(version, {})
    verdicts = {name: compare(before.get(name), counts) for name, counts in counted.items()}
    print_table(
        ("hot path", "Python instructions", "calls into C", f"against the counts kept for Python {version}"),
        [(name, *counts, verdicts[name]) for name, counts in counted.items()],
    )
    if options.write:
        kept[version] = counted
        KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(kept, order="sorted"), indent=2) + b"\n")
        return 0
    return int("MORE" in verdicts.values())


if __name__ == "__main__":
    sys.exit(main())
