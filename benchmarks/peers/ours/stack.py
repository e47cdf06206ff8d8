"""Pushaside as it ships: `pushaside local`, with the real functions behind its gateway."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.peers.client import Address
from benchmarks.peers.dialects import TOPIC, Pushaside
from benchmarks.peers.documents import Document, large_documents, small_documents
from benchmarks.peers.processes import Processes, free_port, tree
from benchmarks.peers.workloads import Publisher, Target
from compute.documents import DocumentsParams, documents
from compute.synthetic import synthetic
from push.adapters.redis.connection import AsyncRedis
from push.adapters.redis.leases import RedisLeases
from push.cache.ports import Claimed
from push.computes import AnyCompute, Tenant
from push.keys import make_key
from push.results import Result, Status, make_etag
from push.settings import CacheSettings

ROOT = Path(__file__).resolve().parents[3]
HOUR_MS = 3_600_000
GLOBAL_VARIABLES = "        POWERTOOLS_METRICS_NAMESPACE: Pushaside\n"
COMPUTES: dict[str, tuple[AnyCompute, Callable[..., Any]]] = {
    "documents": (documents, DocumentsParams),
    "synthetic": (synthetic, synthetic.params),
}


def start(processes: Processes, *, variables: dict[str, str] | None = None, arguments: Iterable[object] = ()) -> Target:
    """Start the stack with the results of all documents in its Redis.

    Args:
        processes: what it is to be part of.
        variables: environment variables of all functions, beside the template's own.
        arguments: further ones of the command line.

    """
    ready_file = processes.folder / "ready.json"
    template = _write_template(processes.folder, variables) if variables else ROOT / "template.yaml"
    command: list[object] = [Path(sys.executable).with_name("pushaside"), "local", "--quiet", "--port", "0"]
    command += ["--template", template, "--ready-file", ready_file, *arguments]
    processes.start("pushaside", command)
    processes.wait_for("pushaside", ready_file.exists)
    ready = json.loads(ready_file.read_text())
    asyncio.run(fill(ready["redis_url"], (*small_documents(), *large_documents())))
    return Target(
        Address.of(ready["websocket"]),
        Pushaside(),
        partial(_pids, ready, processes),
        _publish_to(ready["http"]),
        opening_at_once=50,
        holder="gateway",
    )


def start_with_lean_queue(processes: Processes) -> Target:
    """Start the stack with a queue that costs little, so that the emulator is not what is measured."""
    port, emulator_port = free_port(), free_port()
    environment = {"GATEWAY_PORT": str(emulator_port), "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0"}
    ministack = Path(sys.executable).with_name("ministack")
    processes.start("emulator", [ministack], port=emulator_port, environment=environment)
    command = [sys.executable, Path(__file__).with_name("lean_aws.py"), port, emulator_port]
    processes.start("aws", command, port=port)
    return start(processes, arguments=("--aws-endpoint", f"http://127.0.0.1:{port}"))


def _write_template(folder: Path, variables: dict[str, str]) -> Path:
    """Write a template of the same functions that have some variables more."""
    text = (ROOT / "template.yaml").read_text()
    assert GLOBAL_VARIABLES in text
    added = "".join(f'        {name}: "{value}"\n' for name, value in variables.items())
    template = folder / "template.yaml"
    template.write_text(text.replace(GLOBAL_VARIABLES, GLOBAL_VARIABLES + added))
    (folder / "src").symlink_to(ROOT / "src")
    return template


async def fill(url: str, wanted: Iterable[Document]) -> None:
    """Install results as a compute would, fresh for an hour."""
    redis = AsyncRedis(CacheSettings(cache_url=url))
    leases = RedisLeases(redis)
    now_ms = time.time_ns() // 1_000_000
    for document in wanted:
        compute, params = COMPUTES[document.compute]
        key = make_key(Tenant("public"), compute, params(**document.params))
        claimed = await leases.claim(key, "queued", 1000, {})
        assert isinstance(claimed, Claimed)
        data = document.content
        result = Result(Status.VALUE, now_ms, now_ms + HOUR_MS, now_ms + 2 * HOUR_MS, make_etag(data), data, 1000)
        await leases.fill(key, claimed, result, 1000, now_ms)
        await leases.release(key, claimed.token, "queued again")
    await redis.close()


def _publish_to(http: str) -> Callable[[Publisher, bytes], Awaitable[None]]:
    parts = urlsplit(http)
    assert parts.hostname
    host, port = parts.hostname, parts.port or 80
    return lambda publisher, update: publisher.post(host, port, f"/topics/{TOPIC}", b'{"data":' + update + b"}")


def _pids(ready: dict[str, Any], processes: Processes) -> dict[str, list[int]]:
    """Return the gateway's process, the functions' by name, and those of the embedded services."""
    with urllib.request.urlopen(f"{ready['http'].rstrip('/')}/_local/stats", timeout=10) as page:
        running = json.load(page)["processes"]
    pids = {name: tree(running[name]) for name in ("aws", "redis") if name in running}
    for worker in running["workers"]:
        pids.setdefault(worker["function"], []).append(worker["pid"])
    known = {pid for each in pids.values() for pid in each}
    others = {name: [each for each in tree(pid) if each not in known] for name, pid in processes.pids.items()}
    return pids | {"gateway" if name == "pushaside" else name: each for name, each in others.items() if each}
