"""Measure the CPU of a hit in the function that answers it, by tier and size of the result.

Ours is the deployed handler, from the WebSocket event to the answer: it checks the message, derives the key, judges
the result, renders the frame, and counts and prints metrics. It answers from memory (`l1`), from memory after asking
Redis whether the result is unchanged (`l1, checked`), and from Redis.

Beside it stand cache libraries (requirements/bench.in), each used as its documentation begins: a decorated function or
`get_or_create`, with a frame around the value. Libraries that are not installed are named and skipped. `objects` are
Python values in the library's default encoding, turned into JSON for every answer. `text` is JSON stored as text and
spliced into the frame, as ours is. All of them read the event and write JSON with msgspec, as we do. They run all
requests on one event loop, count nothing and do not judge freshness, so they do less work.

The figures are microseconds of the process's own CPU, without Valkey: median of the rounds, minimum and maximum.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import os
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import msgspec

from benchmarks._measuring import Batch, cut, demo_results, measure_in_turn, print_table, repeat
from compute.documents import DocumentsParams, documents
from push.adapters.redis.connection import AsyncRedis
from push.adapters.redis.leases import RedisLeases
from push.cache.ports import Claimed
from push.computes import Tenant
from push.keys import Key, make_key
from push.results import Result, Status, make_etag
from push.settings import CacheSettings
from tests.servers.valkey import valkey

if TYPE_CHECKING:
    from request.socket_app import SocketParts

SIZES = (500, 10_000, 100_000)
HOUR_MS = 3_600_000
TIMER_SECONDS = 0.2
"""A timer prints the last metrics."""
TIERS = {
    "l1": {"MEMORY_CACHE_SECONDS": "3600"},
    "l1, checked": {"MEMORY_CACHE_SECONDS": "0"},
    "redis": {"MEMORY_CACHE_MB": "0"},
}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "POWERTOOLS_METRICS_NAMESPACE": "Pushaside",
    "POWERTOOLS_SERVICE_NAME": "request",
    "COMPUTE_QUEUE_URL": "http://127.0.0.1:9/queue",
    "DELIVERY_QUEUE_URL": "http://127.0.0.1:9/queue",
    "FAN_OUT_QUEUE_URL": "http://127.0.0.1:9/queue",
    "SUBSCRIPTIONS_TABLE": "subscriptions",
    "STORAGE_BUCKET": "storage",
}
"""Nothing listens on port 9: a hit sends no job."""


def make_contents() -> dict[int, bytes]:
    """Return arrays of the demo's daily temperatures, one of about each size."""
    year = msgspec.json.decode(demo_results()["a year of temperatures"])
    days = msgspec.json.encode([day | {"station": "KSEA"} for day in year["days"]])
    hours = msgspec.json.encode([temperature for day in year["days"] for temperature in day["fahrenheit"]])
    return {size: cut(hours if size < 1000 else days, size) for size in SIZES}


def make_event(size: int) -> dict[str, Any]:
    """Return API Gateway's event of a request for the result of this size."""
    return {
        "requestContext": {
            "routeKey": "request",
            "eventType": "MESSAGE",
            "connectionId": "L0SM9cOFvHcCIhw=",
            "messageId": "L0SM9e4bPHcCJkA=",
            "authorizer": {"principalId": "anonymous", "tenant": "public", "principal": "anonymous"},
            "stage": "v1",
        },
        "body": f'{{"action":"request","id":"request-1","compute":"documents","params":{{"collection":"size{size}"}}}}',
        "isBase64Encoded": False,
    }


# ---------------------------------------------------------------- ours


async def fill(url: str, contents: dict[int, bytes]) -> None:
    """Store the results as a compute would, fresh for an hour."""
    redis = AsyncRedis(CacheSettings(cache_url=url))
    leases = RedisLeases(redis)
    now_ms = time.time_ns() // 1_000_000
    for size, data in contents.items():
        key: Key = make_key(Tenant("public"), documents, DocumentsParams(f"size{size}"))
        claimed = await leases.claim(key, "queued", 1000, {})
        assert isinstance(claimed, Claimed)
        result = Result(Status.VALUE, now_ms, now_ms + HOUR_MS, now_ms + 2 * HOUR_MS, make_etag(data), data, 1000)
        await leases.fill(key, claimed, result, 1000, now_ms)
        await leases.release(key, claimed.token, "queued again")
    await redis.close()


def prepare_ours(url: str) -> Iterator[tuple[str, list[Batch]]]:
    os.environ.update(ENVIRONMENT, CACHE_URL=url)
    from request import socket_app as app

    for tier, settings in TIERS.items():
        os.environ.update(settings)
        app.build.cache_clear()
        parts = app.build()
        for name in settings:
            del os.environ[name]
        yield f"pushaside, {tier}", [repeat(partial(_answer, app, parts, make_event(size))) for size in SIZES]


def _answer(app: Any, parts: SocketParts, event: dict[str, Any]) -> None:  # noqa: ANN401 - the module
    """Answer as the handler does, with the parts of one tier."""
    frame = app.handle(event, parts)
    parts.metrics.end_invocation()
    answer = {"statusCode": 200, "body": frame}
    if '"cache":"hit"' not in answer["body"]:
        raise SystemExit("An answer was not a hit, so the figures mean nothing.")


# ---------------------------------------------------------------- theirs

Load = Callable[[str], Awaitable[Any]]


class Message(msgspec.Struct):
    """A request, as the handler of the libraries reads it."""

    id: str
    compute: str
    params: dict[str, Any]


_decoder = msgspec.json.Decoder(Message)


def read(event: dict[str, Any], prefix: str) -> tuple[Message, str]:
    """Return the message, and the cache key of its result."""
    message = _decoder.decode(event["body"])
    tenant = event["requestContext"]["authorizer"]["tenant"]
    return (
        message,
        f"{prefix}/{tenant}/{message.compute}:{msgspec.json.encode(message.params, order='sorted').decode()}",
    )


def render(message: Message, value: object) -> str:
    """Return the frame. Text is already JSON."""
    data = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f'{{"type":"result","id":{msgspec.json.encode(message.id).decode()},"cache":"hit","data":{data}}}'


def make_cashews(url: str, source: Load) -> Load:
    """Decorate as cashews' README does. By default it stores pickles in Redis, and objects in memory."""
    cache = importlib.import_module("cashews").Cache()
    cache.setup(url)
    loaded: Load = cache(ttl="1h", key="{name}")(source)
    return loaded


def make_aiocache(url: str, source: Load) -> Load:
    """Decorate as aiocache's README does. Its decorator stores JSON in Redis, and objects in memory."""
    aiocache = importlib.import_module("aiocache")
    options: dict[str, Any] = {"ttl": 3600, "key_builder": lambda _function, name: name}
    if url.startswith("mem:"):
        loaded: Load = aiocache.cached(cache=aiocache.SimpleMemoryCache, **options)(source)
    else:
        port = int(url.rsplit(":", 1)[1].split("/")[0])
        loaded = aiocache.cached(cache=aiocache.RedisCache, endpoint="127.0.0.1", port=port, **options)(source)
    return loaded


def make_dogpile(url: str, source: Load) -> Load:
    """Use `get_or_create`, which is sync. By default it stores pickles in Redis, and objects in memory."""
    make_region = importlib.import_module("dogpile.cache").make_region
    if url.startswith("mem:"):
        region = make_region().configure("dogpile.cache.memory", expiration_time=3600)
    else:
        region = make_region().configure("dogpile.cache.redis", expiration_time=3600, arguments={"url": url})

    async def load(name: str) -> Any:  # noqa: ANN401
        def create() -> Any:  # noqa: ANN401
            coroutine = source(name)
            try:
                coroutine.__await__().send(None)
            except StopIteration as made:
                return made.value

        return region.get_or_create(name, create)

    return load


LIBRARIES = {"cashews": make_cashews, "dogpile.cache": make_dogpile, "aiocache": make_aiocache}


def prepare_theirs(url: str, contents: dict[int, bytes], runner: asyncio.Runner) -> Iterator[tuple[str, list[Batch]]]:
    for name, make in LIBRARIES.items():
        for tier, of_tier in (("memory", "mem://"), ("redis", url)):
            for form in ("text", "objects"):
                try:
                    load = make(of_tier, partial(_load, contents, form))
                except ImportError as exc:
                    print(f"{name} skipped: {exc.name} is not installed (requirements/bench.in)\n")
                    break
                answers = [partial(_answer_many, load, make_event(size), f"{name} {form}") for size in SIZES]
                yield f"{name}, {tier}, {form}", [partial(_run, runner, answer_many) for answer_many in answers]


_made: list[str] = []


async def _load(contents: dict[int, bytes], form: str, name: str) -> Any:  # noqa: ANN401
    """Return the value to cache."""
    _made.append(name)
    content = contents[int(name.rsplit("size", 1)[1].rstrip('"}'))]
    return content.decode() if form == "text" else msgspec.json.decode(content)


def _run(runner: asyncio.Runner, answer_many: Callable[[int], Coroutine[Any, Any, None]], calls: int) -> None:
    runner.run(answer_many(calls))


async def _answer_many(load: Load, event: dict[str, Any], prefix: str, calls: int) -> None:
    for _ in range(calls):
        message, name = read(event, prefix)
        render(message, await load(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ours", action="store_true", help="measure only our handler")
    options = parser.parse_args()
    contents = make_contents()
    with valkey() as url, Path(os.devnull).open("w") as output, asyncio.Runner() as runner:
        asyncio.run(fill(url, contents))
        prepared = list(prepare_ours(url))
        if not options.ours:
            prepared += prepare_theirs(url, contents, runner)
        with contextlib.redirect_stdout(output):  # metrics, which Lambda would send to CloudWatch
            figures = measure_in_turn([batch for _, batches in prepared for batch in batches], rounds=options.rounds)
            time.sleep(TIMER_SECONDS)
    if len(_made) != sum(len(batches) for name, batches in prepared if not name.startswith("pushaside")):
        raise SystemExit("An answer was not a hit, so the figures mean nothing.")
    rows = [(name, *figures[number * len(SIZES) :][: len(SIZES)]) for number, (name, _) in enumerate(prepared)]
    print_table(("us of CPU per request", *(f"{len(content):,} bytes" for content in contents.values())), rows)


if __name__ == "__main__":
    main()
