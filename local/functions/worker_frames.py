"""What the runtime and a worker process say to each other, and how.

A worker has two sockets. Over the *event socket* come events and go answers, as frames:

    to the worker    length (4 bytes), invocation number (8), event as JSON
    from the worker  length (4 bytes), kind (1), invocation number (8), payload

Any number of frames may be in flight both ways: each side writes what it has at once and reads what there is. Over the
*control socket* comes a byte when the worker shall give back the events it has not started (`GAVE_BACK` answers it),
and its closing ends the worker at once.

The *progress page* is memory that both share: the worker notes the number of the invocation it is at and when that
began, so that the runtime sees a slow event, and after a crash knows which event was running.
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
"""The payload is the numbers of the events that were not started."""
INITIALIZED: Final = 3
INIT_FAILED: Final = 4
RETURNED_TEXT: Final = 5
"""The payload is the body of `{"statusCode": 200, "body": ...}`, which was returned."""

READ_BYTES: Final = 256 * 1024

_PAGE_BYTES = mmap.PAGESIZE


class ProgressPage:
    """The number of the invocation that a worker is at (0: none yet) and the `time.monotonic_ns()` of its begin.

    Each is written in one piece, the time first: who reads them in between sees an invocation younger than it is.
    """

    __slots__ = ("_values",)

    def __init__(self, descriptor: int) -> None:
        self._values = memoryview(mmap.mmap(descriptor, _PAGE_BYTES)).cast("Q")

    def write(self, number: int, began_ns: int) -> None:
        """Note the begin of an invocation."""
        self._values[1] = began_ns
        self._values[0] = number

    def read(self) -> tuple[int, int]:
        """Return the invocation's number and when it began."""
        number = self._values[0]
        return number, self._values[1]


def make_progress_file() -> IO[bytes]:
    """Return the file behind a new page; a ProgressPage keeps it when it is closed."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by the caller
    file.truncate(_PAGE_BYTES)
    return file


def request_id(environment_id: str, number: int) -> str:
    """Return the request id of an environment's invocation: the runtime and the worker come to the same one.

    `environment_id` is the first 24 characters of a UUID, with its last hyphen.
    """
    return f"{environment_id}{number & 0xFFFFFFFFFFFF:012x}"
