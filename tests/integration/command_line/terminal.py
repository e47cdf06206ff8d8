"""A terminal that a test looks at: the command believes that somebody sits in front of it."""

from __future__ import annotations

import asyncio
import codecs
import fcntl
import os
import re
import struct
import termios
from types import TracebackType
from typing import Self

from tests.integration.client.test_command_line import COMMAND, environment
from tests.patience import PATIENCE_SECONDS

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """Runs a command with its outputs on a terminal of 100 columns and 40 lines."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        self._arguments = arguments
        self._variables = {"TERM": "xterm-256color", **variables}
        self._raw = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._changed = asyncio.Event()
        self.process: asyncio.subprocess.Process

    @property
    def text(self) -> str:
        """All that was written, without what moves and colours."""
        return _ESCAPE.sub("", self._raw).replace("\r\n", "\n")

    @property
    def has_colours(self) -> bool:
        codes = {code for found in _COLOUR.findall(self._raw) for code in found[2:-1].split(";")}
        return any(code.isdigit() and 30 <= int(code) <= 107 for code in codes)

    async def until(self, pattern: str) -> str:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not re.search(pattern, self.text, re.DOTALL):
                self._changed.clear()
                await self._changed.wait()
        return self.text

    async def wait(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            code = await self.process.wait()
        self._read()
        return code

    async def __aenter__(self) -> Self:
        self._screen, terminal = os.openpty()
        os.set_blocking(self._screen, False)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *self._arguments,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            # Whoever runs the tests may have given the width of his own terminal.
            env={name: value for name, value in environment(**self._variables).items() if name != "COLUMNS"},
        )
        os.close(terminal)
        asyncio.get_running_loop().add_reader(self._screen, self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._screen)
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        os.close(self._screen)

    def _read(self) -> None:
        try:
            self._raw += self._decoder.decode(os.read(self._screen, 65_536))
        except BlockingIOError:
            return
        except OSError:
            # The command is gone, and its end of the terminal with it.
            asyncio.get_running_loop().remove_reader(self._screen)
        self._changed.set()
