"""The embedded AWS: MiniStack's application in a child process, on loopback.

The child also announces each write to a queue, table, stream, bucket, bus or topic to the runtime, so that the
event-source pollers need not poll idle queues all the time (`local.embedded.aws_server`, `SourceChanges`).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import defaultdict
from collections.abc import Callable

from local.embedded.child_processes import Child, start_python_child

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"


class SourceChanges:
    """Notifies pollers that their queue, table or stream has work, or will have it after a delay.

    A change of a bucket, an event bus or a topic notifies the pollers of the queues to which it sends.
    """

    def __init__(self) -> None:
        self._listeners: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)

    def listen(self, source: str, on_change: Callable[[], None]) -> None:
        """Call `on_change` after every write to `source`, which is named alone, whatever its kind is."""
        self._listeners[source].append(on_change)

    def take(self, line: str) -> None:
        """Process one change: the source's name, a space, and the seconds until the change is visible."""
        source, delay = line.split(" ")
        for on_change in self._listeners.get(source, ()):
            if delay == "0":
                on_change()
            else:
                asyncio.get_running_loop().call_later(float(delay), on_change)


class EmbeddedAws:
    """One MiniStack, whose state lives in its process."""

    def __init__(self) -> None:
        self.endpoint_url = ""
        self.changes = SourceChanges()
        self._child: Child | None = None
        self._change_socket: socket.socket | None = None

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._child is not None  # noqa: S101  # read only after start()
        return self._child.pid

    def start(self) -> None:
        """Start the server. Its port accepts connections at once and answers when the server is up."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # datagrams keep each change whole
        with theirs, socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            port = listener.getsockname()[1]
            self.endpoint_url = f"http://127.0.0.1:{port}"
            self._child = start_python_child(
                "aws",
                "local.embedded.aws_server",
                [str(listener.fileno()), str(theirs.fileno())],
                _environment(port),
                [listener, theirs],
            )
        ours.settimeout(0)
        self._change_socket = ours
        asyncio.get_running_loop().add_reader(ours, self._take_changes, ours)

    async def ended(self) -> int:
        """Wait until the server ends by itself and return its exit status."""
        assert self._child is not None  # noqa: S101  # read only after start()
        return await self._child.ended()

    async def stop(self) -> None:
        """Stop the server and lose everything deployed and stored there."""
        if self._change_socket is not None:
            asyncio.get_running_loop().remove_reader(self._change_socket)
            self._change_socket.close()
        if self._child is not None:
            await self._child.stop()

    def _take_changes(self, changes: socket.socket) -> None:
        for line in dict.fromkeys(changes.recv(65536).decode().splitlines()):
            self.changes.take(line)


def _environment(port: int) -> dict[str, str]:
    """Return MiniStack's settings: one port on loopback, no other listener, no persistence."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LOCALSTACK_"))}
    return inherited | {
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "USE_SSL": "0",
        "AUTH": "false",
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "SERVICES": "",
        "DOCKER_HOST": "unix:///nonexistent",  # no containers: the runtime needs none
        "LOG_LEVEL": os.environ.get("LOCAL_AWS_LOG_LEVEL", "ERROR"),
    }
