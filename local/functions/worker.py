"""The worker process of one execution environment, which runs one event at a time as Lambda does.

`local.functions.environment` starts `python -m local.functions.worker CONFIGURATION` with the function's environment
variables and the code folder as its working directory. CONFIGURATION is JSON (`WorkerConfiguration`).
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.functions.handler_calls import HandlerCalls, describe_error, import_ahead, load_handler
from local.functions.lambda_context import FunctionIdentity
from local.functions.worker_frames import (
    ANSWER_HEADER,
    EVENT_HEADER,
    GAVE_BACK,
    INIT_FAILED,
    INITIALIZED,
    NUMBER,
    READ_BYTES,
    ProgressPage,
)

_FLUSH_NANOSECONDS = 2_000_000
"""The most time, beside one event, that a finished answer waits so that several go out in one write."""


@dataclass(frozen=True, slots=True)
class WorkerConfiguration:
    """The configuration of a worker, from its command line."""

    event_socket: int
    control_socket: int
    progress_page: int
    handler: str
    import_paths: list[str]
    environment_id: str
    arn: str
    timeout_seconds: int
    is_spare: bool = False
    """True for a worker that loads its handler when a byte arrives on the control socket, and imports the rest now."""


class Worker:
    """Handles events from its socket in order and writes the answers back, several at a time under load."""

    def __init__(
        self,
        events: socket.socket,
        control: socket.socket,
        start: Callable[[int], None],
        call: Callable[[int, bytes], tuple[int, bytes]],
    ) -> None:
        self._events = events
        self._control = control
        self._start = start
        self._call = call
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._unparsed = b""
        self._reading = threading.Lock()
        self._answers: list[bytes] = []
        self._writing = threading.Lock()

    def obey(self) -> None:
        """Start to read the control socket; from then on this process ends with the runtime."""
        threading.Thread(target=self._obey, name="control", daemon=True).start()

    def tell(self, kind: int, payload: bytes) -> None:
        """Write a frame that answers no event."""
        self._flush(_frame(kind, 0, payload))

    def run(self) -> None:
        """Handle events until the runtime closes the socket."""
        try:
            while self._read():
                self._handle_waiting()
                self._flush()
        except SystemExit:  # a handler ends its process; earlier answers still count
            self._flush()
            raise

    def _handle_waiting(self) -> None:
        flushed = time.monotonic_ns()
        while self._waiting:
            try:
                number, event = self._waiting.popleft()
            except IndexError:  # the control thread took it between the two lines
                return
            self._start(number)
            kind, payload = self._call(number, event)
            self._answers += (ANSWER_HEADER.pack(len(payload), kind, number), payload)
            if time.monotonic_ns() - flushed > _FLUSH_NANOSECONDS:
                self._flush()
                flushed = time.monotonic_ns()

    def _read(self, flags: int = 0) -> bool:
        """Read once and note the whole events. Return whether the socket is still open."""
        with self._reading:
            data = self._events.recv(READ_BYTES, flags)
            self._note(data)
            return bool(data)

    def _note(self, data: bytes) -> None:
        buffer = self._unparsed + data if self._unparsed else data
        start, end = 0, len(buffer)
        while end - start >= EVENT_HEADER.size:
            length, number = EVENT_HEADER.unpack_from(buffer, start)
            first = start + EVENT_HEADER.size
            if end - first < length:
                break
            self._waiting.append((number, buffer[first : first + length]))
            start = first + length
        self._unparsed = buffer[start:]

    def _flush(self, *more: bytes) -> None:
        with self._writing:
            answers, self._answers = self._answers, []
            if answers or more:
                self._events.sendall(b"".join((*answers, *more)))

    # The control thread runs while the main thread is in a handler.

    def _obey(self) -> None:
        while self._control.recv(1):
            self._give_back()
        os._exit(0)

    def _give_back(self) -> None:
        """Write the finished answers and the numbers of all unstarted events."""
        numbers = []
        # If the main thread holds the lock, it is about to take the next events itself, so nothing is stuck.
        if self._reading.acquire(blocking=False):
            try:
                self._read_the_rest()
                while self._waiting:
                    numbers.append(self._waiting.popleft()[0])
            except IndexError:  # the main thread took the last one
                pass
            finally:
                self._reading.release()
        self._flush(_frame(GAVE_BACK, 0, b"".join(map(NUMBER.pack, numbers))))

    def _read_the_rest(self) -> None:
        while True:
            try:
                data = self._events.recv(READ_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            if not data:
                return
            self._note(data)


def _frame(kind: int, number: int, payload: bytes) -> bytes:
    return ANSWER_HEADER.pack(len(payload), kind, number) + payload


def main(configuration: WorkerConfiguration) -> None:
    """Load the handler and run its events; if loading fails, report it and end the process."""
    control = socket.socket(fileno=configuration.control_socket)
    events = socket.socket(fileno=configuration.event_socket)
    for each in (control, events):
        each.set_inheritable(False)  # programs that the handler starts must not keep them open
    progress = ProgressPage(configuration.progress_page)
    os.close(configuration.progress_page)
    calls = HandlerCalls(_identity(configuration), configuration.environment_id, configuration.timeout_seconds)

    def start(number: int) -> None:
        progress.write(number, time.monotonic_ns())

    worker = Worker(events, control, start, calls.call)
    _prepare_process(configuration.import_paths)
    if configuration.is_spare:
        import_ahead(configuration.handler)
        if not control.recv(1):
            return
    worker.obey()
    try:
        calls.handler = load_handler(configuration.handler)
    except BaseException as error:  # noqa: BLE001  # reports whatever ends the function's import
        worker.tell(INIT_FAILED, describe_error(error))
        sys.exit(1)
    worker.tell(INITIALIZED, b"")
    worker.run()


def _identity(configuration: WorkerConfiguration) -> FunctionIdentity:
    return FunctionIdentity(
        name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        arn=configuration.arn,
        memory_megabytes=int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]),
        log_group_name=os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
    )


def _prepare_process(import_paths: list[str]) -> None:
    """Put the function's code first on the path and remove the runtime's own modules from its way."""
    sys.path[:0] = import_paths
    sys.argv = [""]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # they are text files here
    # The function may have a module `local` of its own.
    for name in [name for name in sys.modules if name.partition(".")[0] == "local"]:
        del sys.modules[name]


def _read_configuration(text: str) -> WorkerConfiguration:
    values: dict[str, Any] = json.loads(text)
    return WorkerConfiguration(**values)


if __name__ == "__main__":
    main(_read_configuration(sys.argv[1]))
