"""Reload on save: functions load an application's code again, while connections, cache and tables stay."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from watchfiles import Change, awatch

from local.application.code_check import Checked, check_code
from local.application.code_faults import Fault
from local.application.declaration import FILE, Application
from local.application.outdated_results import remove_results
from local.errors import CannotStartError
from local.functions.output import LogWriter
from local.functions.service import Functions

_SETTLE_MILLISECONDS = 50
_FIRST_ANSWERS_SECONDS = 0.3
"""The time that the processors belong to the first answers of the new code, before the other functions start."""

_SPARES_SECONDS = 1.0
"""The time between two looks for functions that lack a spare environment."""

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
        self._is_reloading = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start to watch."""
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._keep_spares())]

    async def close(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

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
                self._is_reloading = True
                await self._reload(code)
                self._is_reloading = False

    def _is_watched(self, _change: Change, path: str) -> bool:
        place = Path(path).relative_to(self._application.folder)
        if str(place) in {FILE, self._application.declaration.template}:
            return True
        folders = place.parts[:-1]
        return place.suffix == ".py" and not any(each in _IGNORED_FOLDERS or each[0] == "." for each in folders)

    async def _reload(self, paths: list[Path]) -> None:
        started = time.perf_counter()
        used, unused = self._functions.in_use(self._names)
        self._note(await self._load(used or unused))
        if self.fault is None:
            self.reloads += 1
            names = ", ".join(str(path.relative_to(self._application.folder)) for path in paths)
            self._say(f"reloaded {names} in {(time.perf_counter() - started) * 1000:.0f} ms")
            await asyncio.sleep(_FIRST_ANSWERS_SECONDS)
            self._note(await self._replace(unused if used else ()))
            self._functions.warm_up(self._names)

    async def _load(self, functions: Sequence[str]) -> str | None:
        """Check the code, and replace functions by ones that run it; return a sentence about a fault."""
        checked = await self._check()
        if checked.fault is not None:
            return str(checked.fault)
        if (fault := await self._replace(functions)) is None:
            await remove_results(self._redis_url, checked.computes)
            self._refresh(checked.computes)
        return fault

    async def _check(self) -> Checked:
        try:
            return await check_code(self._application)
        except CannotStartError as error:
            return Checked(Fault("", 0, str(error)), ())

    async def _replace(self, functions: Sequence[str]) -> str | None:
        """Replace the environments of functions; return a sentence if one cannot load the code."""
        faults = await self._functions.replace(functions)
        if not faults:
            return None
        changed_again = (await self._check()).fault
        return str(changed_again) if changed_again else _say_unloadable(*next(iter(faults.items())))

    def _note(self, fault: str | None) -> None:
        self.fault = fault
        if fault is not None:
            self._say(f"{fault} The last good code goes on.")

    async def _keep_spares(self) -> None:
        """Keep spare environments of the functions that have run an event; others are seldom worth their memory."""
        while True:
            await asyncio.sleep(_SPARES_SECONDS)
            if not self._is_reloading:
                self._functions.keep_spares(self._functions.in_use(self._names)[0])

    def _say(self, sentence: str) -> None:
        self._log.write(self._application.declaration.name, sentence.encode())
