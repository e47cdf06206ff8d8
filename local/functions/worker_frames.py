"""The protocol between the runtime and a worker process.

A worker has two sockets. The *event socket* carries events and answers as frames:

    to the worker    length (4 bytes), invocation number (8), event as JSON
    from the worker  length (4 bytes), kind (1), invocation number (8), payload

Any number of frames may be in flight in both directions: each side writes at once and reads what there is. A byte on
the *control socket* asks the worker to give back its unstarted events, which the worker answers with `GAVE_BACK`. When
the control socket closes, the worker ends at once.

The *progress page* is shared memory. The worker notes the number and the start of its current invocation there. So the
runtime sees a slow event, and after a crash knows which event was running.
"""

from __future__ import annotations

import mmap
import struct
import tempfile
from typing import IO, Final

EVENT_HEADER: Final = struct.Struct("!IQ")
ANSWER_HEADER: Final = struct.Struct("!IBQ")
NUMBER: Final = struct.Struct("!Q")
RETURNED: Final = 0
RAISED: Final = 1
GAVE_BACK: Final = 2
"""The payload is the numbers of the unstarted events."""
INITIALIZED: Final = 3
INIT_FAILED: Final = 4
RETURNED_TEXT: Final = 5
"""The payload is the body of a returned `{"statusCode": 200, "body": ...}`."""

READ_BYTES: Final = 256 * 1024

_PAGE_BYTES = mmap.PAGESIZE


class ProgressPage:
    """The number of a worker's current invocation (0: none yet) and the `time.monotonic_ns()` of its start.

    Each value is written in one piece, the time first. A reader in between sees an invocation younger than it is.
    """

    __slots__ = ("_values",)

    def __init__(self, descriptor: int) -> None:
        self._values = memoryview(mmap.mmap(descriptor, _PAGE_BYTES)).cast("Q")

    def write(self, number: int, began_ns: int) -> None:
        """Note the start of an invocation."""
        self._values[1] = began_ns
        self._values[0] = number

    def read(self) -> tuple[int, int]:
        """Return the invocation's number and its start."""
        number = self._values[0]
        return number, self._values[1]


def make_progress_file() -> IO[bytes]:
    """Return the file behind a new page; a ProgressPage keeps its memory after the file is closed."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by the caller
    file.truncate(_PAGE_BYTES)
    return file


def request_id(environment_id: str, number: int) -> str:
    """Return the request id of an invocation; the runtime and the worker compute the same one.

    `environment_id` is the first 24 characters of a UUID, with its last hyphen.
    """
    return f"{environment_id}{number & 0xFFFFFFFFFFFF:012x}"
