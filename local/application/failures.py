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
    """Rewrites the functions' log lines about failed runs; every other line stays as it is.

    Only the application's own frames are shown. A traceback that repeats in the next attempt is shown once; the line
    that says that every attempt failed is always shown.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown: OrderedDict[tuple[object, str], None] = OrderedDict()

    def rewrite(self, line: bytes) -> bytes:
        """Return the text to show for a line; empty if it repeats a failure."""
        if b'"attempt"' not in line:
            return line
        try:
            record = msgspec.json.decode(line)
        except msgspec.DecodeError:
            return line
        if not isinstance(record, dict) or "attempt" not in record or "params" not in record:
            return line
        return self._show(record).encode()

    def _show(self, record: dict[str, Any]) -> str:
        exception = record.get("exception")
        text = self._own_frames(exception) if isinstance(exception, str) else ""
        if not record.get("is_last") and self._is_repeated(record, text):
            return ""
        request = f", request {record['request_id']}" if record.get("request_id") else ""
        return f"{record['message'].rstrip('.')}, params {record['params']}{request}\n{text}".rstrip("\n")

    def _is_repeated(self, record: dict[str, Any], text: str) -> bool:
        """Say whether an earlier attempt failed in the same way, and remember this one."""
        failure = (record["params"], text)
        if failure in self._shown and record["attempt"] > 1:
            return True
        self._shown[failure] = None
        if len(self._shown) > _REMEMBERED:
            self._shown.popitem(last=False)
        return False

    def _own_frames(self, exception: str) -> str:
        """Return a traceback with the application's frames; with all of them if there is none."""
        frames = list(_FRAME.finditer(exception))
        own = [each[0].rstrip("\n") for each in frames if Path(each["file"]).is_relative_to(self._folder)]
        if not own:
            return exception
        end = exception[frames[-1].end() :].strip("\n")
        return "\n".join(["Traceback (the application's frames):", *own, end])
