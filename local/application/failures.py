"""Failed runs of an application's computes, as readable lines of the terminal."""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import msgspec

_FRAME = re.compile(r'  File "(?P<file>[^"]+)", line \d+, in .*\n(?:    .*\n?)*')
_REMEMBERED = 256


class FailureLines:
    """Rewrites the functions' log lines that hold a traceback; every other line stays as it is.

    Only the application's own frames are shown, and a failure that repeats in the next attempt is shown once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown: OrderedDict[tuple[object, str], None] = OrderedDict()

    def rewrite(self, line: bytes) -> bytes:
        """Return the text to show for a line; empty if it repeats a failure."""
        if b'"exception"' not in line:
            return line
        try:
            record = msgspec.json.decode(line)
        except msgspec.DecodeError:
            return line
        exception = record.get("exception") if isinstance(record, dict) else None
        if not isinstance(exception, str) or "attempt" not in record:
            return line
        return self._show(record, exception).encode()

    def _show(self, record: dict[str, Any], exception: str) -> str:
        text = self._own_frames(exception)
        failure = (record.get("params"), text)
        if failure in self._shown and record["attempt"] > 1:
            return ""
        self._shown[failure] = None
        if len(self._shown) > _REMEMBERED:
            self._shown.popitem(last=False)
        request = f", request {record['request_id']}" if record.get("request_id") else ""
        return f"{record['message']}, params {record.get('params')}{request}\n{text}"

    def _own_frames(self, exception: str) -> str:
        """Return a traceback with the application's frames; with all of them if there is none."""
        frames = list(_FRAME.finditer(exception))
        own = [each[0].rstrip("\n") for each in frames if Path(each["file"]).is_relative_to(self._folder)]
        if not own:
            return exception
        end = exception[frames[-1].end() :].strip("\n")
        return "\n".join(["Traceback (the application's frames):", *own, end])
