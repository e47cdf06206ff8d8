"""Measure 10,000 requests for one key, over 200 sockets and all workers of `pushaside local`.

Cold: all clients request a key at once that has no result yet. There must be one compute and 10,000 answers; the
figure is the time to the last answer. If the compute takes two seconds, all callers wait and receive pushes. If it
takes a tenth of a second, later requests are hits.

Expiring: clients request the leaderboard (fresh for at most five seconds) evenly for 6.5 seconds after its first
compute, so that it expires meanwhile. No caller may wait, and there must be one refresh; the figures are latencies.

The benchmark starts its own stack on free ports. The figures are of gateway, functions, services and clients together
on one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks._measuring import print_table
from benchmarks._one_key import Answers, ask_at_once, ask_evenly, ask_once, count_computes, open_sockets

ROOT = Path(__file__).parent.parent
START_SECONDS = 60.0
HOT_SECONDS = 6.5


@contextmanager
def running(workers: int) -> Iterator[dict[str, Any]]:
    """Run the stack and yield the content of its ready file."""
    command = Path(sys.executable).with_name("pushaside")
    with tempfile.TemporaryDirectory(prefix="cold-key-") as folder:
        ready, log = Path(folder, "ready.json"), Path(folder, "log")
        arguments: list[str | Path] = [command, "local", "--demo", "--port", "0", "--ready-file", ready]
        arguments += ["--workers", str(workers)]
        with log.open("wb") as output:
            process = subprocess.Popen(arguments, cwd=ROOT, stdout=output, stderr=output)
        try:
            give_up_at = time.monotonic() + START_SECONDS
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > give_up_at:
                    raise SystemExit(f"The stack did not start; it said:\n{log.read_text()[-2000:]}")
                time.sleep(0.05)
            yield json.loads(ready.read_text())
        finally:
            process.terminate()
            process.wait(15)


async def measure_cold(stack: dict[str, Any], sockets: int, requests: int, *, work_ms: int) -> tuple[str, Answers, int]:
    params = {"size_bytes": 1000, "work_ms": work_ms, "seed": uuid.uuid4().hex}
    question = {"action": "request", "compute": "synthetic", "params": params}
    before = await count_computes(stack["http"], "synthetic")
    async with open_sockets(stack["websocket"], sockets) as opened:
        answers = await ask_at_once(opened, question, requests)
    title = f"cold, computed in {work_ms / 1000:g} s"
    return title, answers, await count_computes(stack["http"], "synthetic") - before


async def measure_expiring(stack: dict[str, Any], sockets: int, requests: int) -> tuple[str, Answers, int]:
    question = {"action": "request", "compute": "leaderboard", "params": {"board": "demo", "top": 20}}
    async with open_sockets(stack["websocket"], sockets) as opened:
        # A first compute loads modules. Its duration would make the result refresh much earlier.
        await ask_once(opened[0], {**question, "params": {"board": "demo"}})
        await ask_once(opened[0], question)
        before = await count_computes(stack["http"], "leaderboard")
        answers = await ask_evenly(opened, question, requests, HOT_SECONDS)
    return "expiring", answers, await count_computes(stack["http"], "leaderboard") - before


def describe(title: str, answers: Answers, computes: int) -> tuple[object, ...]:
    took = sorted(answers.latencies)
    states = ", ".join(f"{count:,} {state}" for state, count in answers.by_state.most_common())
    percentiles = (f"{took[int(len(took) * part)] * 1000:,.1f}" for part in (0.5, 0.99))
    lost = answers.errors.total() + answers.repeated
    return title, computes, states, f"{answers.accepted:,}", lost, *percentiles, f"{took[-1] * 1000:,.1f}"


async def measure_all(stack: dict[str, Any], sockets: int, requests: int) -> None:
    measured = [
        await measure_cold(stack, sockets, requests, work_ms=100),
        await measure_cold(stack, sockets, requests, work_ms=2000),
        await measure_expiring(stack, sockets, requests),
    ]
    header = ("key", "computes", "answers", "had to wait", "errors or twice", "p50, ms", "p99, ms", "last, ms")
    print_table(header, [describe(*each) for each in measured])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4, help="warm environments for requests")
    options = parser.parse_args()
    with running(options.workers) as stack:
        asyncio.run(measure_all(stack, options.sockets, options.requests))


if __name__ == "__main__":
    main()
