"""Reload on save: functions load an application's code again, while connections, cache and tables stay."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from watchfiles import Change, awatch

from local.application.code_check import check_code
from local.application.declaration import FILE, Application
from local.application.outdated_results import remove_results
from local.errors import CannotStartError
from local.functions.output import LogWriter
from local.functions.service import Functions

_SETTLE_MILLISECONDS = 50
_IGNORED_FOLDERS = {"tests", "__pycache__", "node_modules", "build", "dist"}


def _say_unloadable(function: str, document: bytes) -> str:
    error = json.loads(document)
    return f"{function} cannot load the code: {error['errorType']}: {error['errorMessage']}."


class Reloader:
    """Watches an application's folder and replaces the environments of the functions that load its code."""

    def __init__(
        self,
        application: Application,
        functions: Functions,
        names: Iterable[str],
        redis_url: str,
        log: LogWriter,
        *,
        refresh: Callable[[Collection[str]], None],
    ) -> None:
        """Call `refresh` with the names of the computes after their results were removed."""
        self.fault: str | None = None
        """The fault of the code as it was saved last; the functions then run the last good code."""
        self.reloads = 0
        self._application = application
        self._functions = functions
        self._names = tuple(names)
        self._redis_url = redis_url
        self._log = log
        self._refresh = refresh
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to watch."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def describe(self) -> dict[str, object]:
        """Return the state for the statistics."""
        return {"name": self._application.declaration.name, "reloads": self.reloads, "fault": self.fault}

    async def _run(self) -> None:
        async for changes in awatch(
            self._application.folder, watch_filter=self._is_watched, step=_SETTLE_MILLISECONDS, recursive=True
        ):
            paths = {Path(path) for _, path in changes}
            for path in sorted(path for path in paths if path.suffix != ".py"):
                self._say(f"{path.name} has changed; start again to apply it.")
            if code := sorted(path for path in paths if path.suffix == ".py"):
                await self._reload(code)

    def _is_watched(self, _change: Change, path: str) -> bool:
        place = Path(path).relative_to(self._application.folder)
        if str(place) in {FILE, self._application.declaration.template}:
            return True
        folders = place.parts[:-1]
        return place.suffix == ".py" and not any(each in _IGNORED_FOLDERS or each[0] == "." for each in folders)

    async def _reload(self, paths: list[Path]) -> None:
        started = time.perf_counter()
        try:
            checked = await check_code(self._application)
            self.fault = str(checked.fault) if checked.fault else await self._replace(checked.computes)
        except CannotStartError as error:
            self.fault = str(error)
        if self.fault is not None:
            self._say(f"{self.fault} The last good code goes on.")
            return
        self.reloads += 1
        names = ", ".join(str(path.relative_to(self._application.folder)) for path in paths)
        self._say(f"reloaded {names} in {(time.perf_counter() - started) * 1000:.0f} ms")

    async def _replace(self, computes: Collection[str]) -> str | None:
        """Replace the environments, those in use first; return a sentence if a function cannot load the code."""
        in_use, others = self._functions.in_use(self._names)
        faults = await self._functions.replace(in_use or others)
        if not faults:
            await remove_results(self._redis_url, computes)
            self._refresh(computes)
            faults = await self._functions.replace(others if in_use else ())
        if not faults:
            return None
        changed_again = (await check_code(self._application)).fault
        return str(changed_again) if changed_again else _say_unloadable(*next(iter(faults.items())))

    def _say(self, sentence: str) -> None:
        self._log.write(self._application.declaration.name, sentence.encode())
