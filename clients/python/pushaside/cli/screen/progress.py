"""Shows how far a large result has come, on a terminal, and only if it takes long enough to be seen."""

from __future__ import annotations

import sys
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pushaside import Client, Result
from pushaside.cli.forms import can_draw, make_console

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from pushaside.progress import Progress

_SAYS = {
    "sent": "asking",
    "accepted": "being computed",
    "receiving": "receiving pieces",
    "fetching": "fetching what is linked to",
}


async def ask(
    client: Client, compute: str, params: dict[str, object], *, deadline: float, max_age: float | None, is_quiet: bool
) -> Result:
    """Ask for a result; draw how far it has come on standard error, unless that is no terminal or it is to be quiet.

    Raises:
        PushasideError: what `Client.request` raises.

    """
    if is_quiet or not can_draw(sys.stderr):
        return await client.request(compute, params, deadline=deadline, max_age=max_age)
    with ProgressBar() as bar:
        async with aclosing(client.stream(compute, params, deadline=deadline, max_age=max_age)) as steps:
            async for step in steps:
                if isinstance(step, Result):
                    return step
                bar.show(step)
    raise AssertionError("A stream that does not fail ends in a result.")


class ProgressBar:
    """A bar that is drawn once there is something to wait for, and goes when it is over."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Show how far it is. What was only sent is not worth the import of what draws."""
        if self._bar is None:
            if progress.stage == "sent" and progress.attempt == 1:
                return
            self._begin()
        assert self._bar is not None  # noqa: S101  (it was begun)
        assert self._task is not None  # noqa: S101
        again = f", asked {progress.attempt} times" if progress.attempt > 1 else ""
        self._bar.update(
            self._task,
            description=f"{_SAYS[progress.stage]}{again}",
            completed=progress.received,
            total=progress.expected,
            counted=_count(progress),
        )

    def _begin(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[counted]}", markup=False),
            TimeElapsedColumn(),
            console=make_console(sys.stderr),
            transient=True,
            redirect_stdout=False,
        )
        self._bar.start()
        self._task = self._bar.add_task("asking", total=None, counted="")


def _count(progress: Progress) -> str:
    """Say what is there, of what."""
    if progress.stage not in {"receiving", "fetching"}:
        return ""
    if progress.unit == "pieces":
        return f"{progress.received} of {progress.expected or '?'} pieces"
    total = "" if progress.expected is None else f" of {progress.expected / 1000:,.0f}"
    return f"{progress.received / 1000:,.0f}{total} KB"
