"""A progress bar for a large result on a terminal, drawn only if the result takes long enough."""

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
    "sent": "requesting",
    "accepted": "computing",
    "receiving": "receiving pieces",
    "fetching": "fetching linked data",
}


async def ask(
    client: Client, compute: str, params: dict[str, object], *, deadline: float, max_age: float | None, is_quiet: bool
) -> Result:
    """Request a result and draw its progress on standard error, if that is a terminal and `is_quiet` is False.

    Raises:
        PushasideError: the errors of `Client.request`.

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
    """A bar that appears once there is something to wait for, and disappears at the end."""

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
        """Show the progress. A request that was only sent is not worth the import of rich."""
        if self._bar is None:
            if progress.stage == "sent" and progress.attempt == 1:
                return
            self._begin()
        assert self._bar is not None  # noqa: S101  (`_begin` set it)
        assert self._task is not None  # noqa: S101
        again = f", attempt {progress.attempt}" if progress.attempt > 1 else ""
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
        self._task = self._bar.add_task("requesting", total=None, counted="")


def _count(progress: Progress) -> str:
    """Describe how much of the result has arrived."""
    if progress.stage not in {"receiving", "fetching"}:
        return ""
    if progress.unit == "pieces":
        return f"{progress.received} of {progress.expected or '?'} pieces"
    total = "" if progress.expected is None else f" of {progress.expected / 1000:,.0f}"
    return f"{progress.received / 1000:,.0f}{total} KB"
