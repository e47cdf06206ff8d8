"""Pushes of updates through `@connections` of the local gateway, by our fan-out's worker or with boto3."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.peers.client import Address
from benchmarks.peers.dialects import Silent
from benchmarks.peers.processes import Processes, free_port, tree
from benchmarks.peers.workloads import Publisher, Target

SERVER = Path(__file__).with_name("pushing") / "server.py"


def start_pushers(processes: Processes, *, way: str) -> Target:
    """Start a gateway and a pusher to all of its connections; `way` is `lean`, `loop` or `threads`."""
    publish_port, port_file = free_port(), processes.folder / "port"
    command = [sys.executable, SERVER, "--way", way, "--publish-port", str(publish_port), "--port-file", port_file]
    processes.start("pusher", command, port=publish_port)

    async def publish(publisher: Publisher, update: bytes) -> None:
        await publisher.post("127.0.0.1", publish_port, "/", update)

    def pids() -> dict[str, list[int]]:
        pusher, *others = tree(processes.pids["pusher"])
        return {"pusher": [pusher], "gateway": others}

    port = int(port_file.read_text())
    return Target(Address("127.0.0.1", port, "/v1"), Silent(), pids, publish, opening_at_once=50)
