"""The runtime's side of an execution environment: a worker process and the events that it has."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Protocol, cast

from local.deploying.control_plane import Function
from local.functions.invocation import Invocation, Outcome
from local.functions.worker import WorkerConfiguration
from local.functions.worker_frames import (
    ANSWER_HEADER,
    EVENT_HEADER,
    GAVE_BACK,
    INIT_FAILED,
    INITIALIZED,
    NUMBER,
    RAISED,
    RETURNED,
    RETURNED_TEXT,
    ProgressPage,
    make_progress_file,
    request_id,
)

OnEnd = Callable[[Invocation], None]
PendingEvent = tuple[bytes, OnEnd]

_OUTCOMES = {RETURNED: Outcome.RETURNED, RETURNED_TEXT: Outcome.RETURNED, RAISED: Outcome.RAISED}
_EXIT_SECONDS = 2.0
_INIT_SECONDS = 60.0
"""The time for loading a handler. Lambda allows 10 s; a machine that has not imported boto3 lately needs more."""


class EnvironmentOwner(Protocol):
    """The dispatcher of an environment's events."""

    def environment_ready(self, environment: Environment) -> None:
        """Note that the environment has loaded its handler."""

    def environment_idle(self, environment: Environment) -> None:
        """Note that the environment has answered all its events."""

    def environment_gave_back(self, environment: Environment, events: list[PendingEvent]) -> None:
        """Take over events that the environment has not started and no longer has."""

    def environment_lost(self, environment: Environment) -> None:
        """Stop sending events: the process is ending, and `environment_ended` follows."""

    def environment_ended(self, environment: Environment, unstarted: list[PendingEvent]) -> None:
        """Take over the unstarted events of an ended process; its started events were answered with an error."""


class Environment(asyncio.Protocol):
    """Sends events to a worker and passes its answers on.

    The worker answers events in the order in which it got them. All events of one turn of the event loop go out in one
    write.
    """

    def __init__(self, owner: EnvironmentOwner, function: Function, *, is_spare: bool = False) -> None:
        self.id = f"{str(uuid.uuid4())[:24]}"
        self.outstanding: dict[int, PendingEvent] = {}
        self.is_spare = is_spare
        """True until `release`: the worker has not loaded its handler, and gets no events."""
        self.is_ready = False
        self.is_stuck = False
        """True if the current event runs so long that no other event should wait behind it."""
        self.idle_since = time.monotonic()
        self.pid: int | None = None
        """The worker's process id, or None before its start."""
        self.init_error: bytes | None = None
        """Lambda's error document if the handler could not be loaded."""
        self.settled = asyncio.Event()
        """Set when the handler is loaded, or cannot be (`init_error`)."""
        self.ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._function = function
        self._last_number = 0
        self._unparsed = b""
        self._writes: list[bytes] = []
        self._asked_back = False
        self._was_ready = False
        self._seen = 0
        self._timed_out: int | None = None
        self._init_limit: asyncio.TimerHandle | None = None

    # Life

    async def start(self, variables: Mapping[str, str], output: int) -> None:
        """Start the process with its standard output and error on the descriptor `output`."""
        events, worker_events = socket.socketpair()
        self._control, worker_control = socket.socketpair()
        with worker_events, worker_control, make_progress_file() as page_file:
            self._progress = ProgressPage(page_file.fileno())
            inherited = (worker_events.fileno(), worker_control.fileno(), page_file.fileno())
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220  # the runtime's own command; a fork takes 1 ms
                [sys.executable, "-P", "-m", "local.functions.worker", self._configuration(*inherited)],
                env=dict(variables),
                cwd=self._function.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=inherited,
                start_new_session=True,
            )
        self.pid = self._process.pid
        # This comes before the connection, because a fast worker's first frame may arrive while this code waits for it.
        if not self.is_spare:
            self._limit_init()
        await self._loop.create_unix_connection(lambda: self, sock=events)

    def _configuration(self, events: int, control: int, page: int) -> str:
        configuration = WorkerConfiguration(
            event_socket=events,
            control_socket=control,
            progress_page=page,
            handler=self._function.handler,
            import_paths=[str(self._function.folder), *map(str, self._function.layers)],
            environment_id=self.id,
            arn=self._function.arn,
            timeout_seconds=self._function.timeout_seconds,
            is_spare=self.is_spare,
        )
        return json.dumps(asdict(configuration))

    def _limit_init(self) -> None:
        self._init_limit = self._loop.call_later(_INIT_SECONDS, self.kill)

    def _cancel_limit(self) -> None:
        if self._init_limit is not None:
            self._init_limit.cancel()

    def release(self) -> None:
        """Let a spare worker load its handler."""
        self.is_spare = False
        self._limit_init()
        with contextlib.suppress(OSError):  # the process has ended, and connection_lost follows
            self._control.send(b"\0")

    def close(self) -> None:
        """Let the worker end after it has answered its events."""
        self._transport.close()

    def kill(self) -> None:
        """Kill the worker."""
        self._process.kill()

    # Events

    def send(self, event: PendingEvent) -> None:
        """Send one more event to the worker."""
        self._last_number = number = self._last_number + 1
        self.outstanding[number] = event
        payload = event[0]
        if not self._writes:
            self._loop.call_soon(self._write)
        self._writes += (EVENT_HEADER.pack(len(payload), number), payload)

    def _write(self) -> None:
        writes, self._writes = self._writes, []
        if not self._transport.is_closing():  # otherwise the owner gets them back as unstarted
            self._transport.writelines(writes)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport to the worker."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Process the worker's frames."""
        buffer = self._unparsed + data if self._unparsed else data
        start, end = 0, len(buffer)
        header, size = ANSWER_HEADER, ANSWER_HEADER.size
        while end - start >= size:
            length, kind, number = header.unpack_from(buffer, start)
            first = start + size
            if end - first < length:
                break
            start = first + length
            self._take(kind, number, buffer[first:start])
        self._unparsed = buffer[start:]

    def _take(self, kind: int, number: int, payload: bytes) -> None:
        if kind in _OUTCOMES:
            _, on_end = self.outstanding.pop(number)
            self.is_stuck = False
            on_end(Invocation(_OUTCOMES[kind], payload, kind == RETURNED_TEXT))
            if not self.outstanding:
                self._note_idle()
        elif kind == GAVE_BACK:
            self._asked_back = False
            numbers = [number for (number,) in NUMBER.iter_unpack(payload)]
            self._owner.environment_gave_back(self, [self.outstanding.pop(number) for number in numbers])
            if not self.outstanding:
                self._note_idle()
        elif kind == INITIALIZED:
            self.is_ready = self._was_ready = True
            self._cancel_limit()
            self._owner.environment_ready(self)
            self.settled.set()
        elif kind == INIT_FAILED:
            self.init_error = payload

    def _note_idle(self) -> None:
        self.is_stuck = False
        self.idle_since = time.monotonic()
        self._owner.environment_idle(self)

    # Time

    def check(self, now_ns: int, patience_ns: int) -> None:
        """End the running event if it exceeds its timeout, and take back the events behind it if it takes long."""
        number, began_ns = self._progress.read()
        if number not in self.outstanding:
            return
        age_ns = now_ns - began_ns
        # End only an event seen twice: with weakly ordered memory, a new number may appear with an old time.
        was_seen, self._seen = self._seen == number, number
        if was_seen and age_ns > self._function.timeout_seconds * 1_000_000_000:
            self._timed_out = number
            self.kill()
        elif age_ns > patience_ns:
            self.is_stuck = True
            if len(self.outstanding) > 1 and not self._asked_back:
                self._asked_back = True
                with contextlib.suppress(OSError):  # the process is ending, and connection_lost follows
                    self._control.send(b"\0")

    # The end

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the socket closes with the process
        """Reap the process and settle its unanswered events."""
        self.is_ready = False
        self._owner.environment_lost(self)
        self._reaping = self._loop.create_task(self._reap())

    async def _reap(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(self._process.wait), _EXIT_SECONDS)
        if self._process.poll() is None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        self._control.close()
        self._cancel_limit()
        if not self._was_ready and self.init_error is None:
            text = f"Error: Runtime exited {_exit_reason(self._process.returncode)}"
            self.init_error = _error_document("Runtime.ExitError", text)
        self._give_up_events()
        self.settled.set()
        self.ended.set()

    def _give_up_events(self) -> None:
        """Answer the started events with an error and give back the others."""
        started, _ = self._progress.read()
        unstarted = [event for number, event in self.outstanding.items() if number > started]
        for number, (_, on_end) in list(self.outstanding.items()):
            if number <= started:
                on_end(self._ending(number))
        self.outstanding.clear()
        self._owner.environment_ended(self, unstarted)

    def _ending(self, number: int) -> Invocation:
        """Return the error that the caller of a started event gets.

        Source: "Troubleshoot invocation issues in Lambda" and the error documents that the service answers with.
        """
        text = f"RequestId: {request_id(self.id, number)} Error: "
        if number == self._timed_out:
            text += f"Task timed out after {self._function.timeout_seconds:.2f} seconds"
            return Invocation(Outcome.TIMED_OUT, _error_document("Sandbox.Timedout", text))
        text += "Runtime exited " + _exit_reason(self._process.returncode)
        return Invocation(Outcome.RAISED, _error_document("Runtime.ExitError", text))


def _exit_reason(status: int) -> str:
    if status == 0:
        return "without providing a reason"
    return f"with error: signal: {-status}" if status < 0 else f"with error: exit status {status}"


def _error_document(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()
