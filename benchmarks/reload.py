"""Measure reload on save: from the save of a compute's file until a client has an answer of the new code.

`python benchmarks/reload.py --saves 9` makes an application, runs it with `pushaside local`, and prints one JSON
document: milliseconds to the answer of a request that is repeated every 10 ms, and to the push that a subscriber gets.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from local.application.new_command import make_application
from pushaside import Client, connect

PAUSE_SECONDS = 6.0
"""The time after a reload in which the runtime replaces the other functions and starts spare environments."""

CODE = '''from push import compute

@compute(ttl=300.0)
async def number() -> int:
    """The number of the save."""
    return {}
'''


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run the application in the folder, and yield the address of its WebSocket API."""
    ready_file = folder.parent / "ready.json"
    command = [
        str(Path(sys.executable).with_name("pushaside")),
        "local",
        "--port",
        "0",
        "--ready-file",
        str(ready_file),
    ]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not ready_file.exists():
            if process.poll() is not None:
                raise SystemExit("The runtime did not start.")
            time.sleep(0.1)
        yield json.loads(ready_file.read_text())["websocket"]
        process.terminate()


def save(code: Path, number: int) -> float:
    """Save the compute with another value, and return the time."""
    code.write_text(CODE.format(number))
    return time.perf_counter()


async def measure_answers(client: Client, code: Path, saves: range) -> list[float]:
    """Save and ask until the answer is new."""
    taken = []
    for number in saves:
        await asyncio.sleep(PAUSE_SECONDS)
        started = save(code, number)
        while (await client.request("number")).data != number:  # noqa: ASYNC110  # asking again is what is measured
            await asyncio.sleep(0.01)
        taken.append(time.perf_counter() - started)
    return taken


async def measure_pushes(client: Client, code: Path, saves: range) -> list[float]:
    """Save and wait for the update with the new value."""
    taken = []
    async with client.subscribe(compute="number") as updates:
        for number in saves:
            await asyncio.sleep(PAUSE_SECONDS)
            started = save(code, number)
            async for update in updates:
                if update.data == number:
                    break
            taken.append(time.perf_counter() - started)
    return taken


async def measure(url: str, code: Path, saves: int) -> dict[str, object]:
    """Return both figures, in milliseconds."""
    async with connect(url) as client:
        await client.request("number")
        answers = await measure_answers(client, code, range(1, saves + 1))
        pushes = await measure_pushes(client, code, range(saves + 1, 2 * saves + 1))
    return {"answer_ms": summarize(answers), "push_ms": summarize(pushes), "load_average": os.getloadavg()[0]}


def summarize(seconds: list[float]) -> dict[str, int]:
    """Return the least, the median and the greatest of times in milliseconds."""
    figures = {"least": min(seconds), "median": statistics.median(seconds), "greatest": max(seconds)}
    return {name: round(each * 1000) for name, each in figures.items()}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--saves", type=int, default=5)
    saves = parser.parse_args().saves
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "shop"
        make_application(folder)
        code = folder / "computes" / "number.py"
        save(code, 0)
        with running(folder) as url:
            print(json.dumps(asyncio.run(measure(url, code, saves)), indent=2))


if __name__ == "__main__":
    main()
