"""The progress of `pushaside load` on a terminal: a live table, or a line where `rich` is not installed."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from pushaside.cli.forms import can_draw, make_console
from pushaside_tools.load.plan import Plan
from pushaside_tools.load.report import describe_second, live_rows
from pushaside_tools.load.tally import Tally

if TYPE_CHECKING:
    from rich.console import RenderableType


class Screen(Protocol):
    """A display of the progress of a run."""

    def show(self, seconds: float, recent: Tally, total: Tally) -> None:
        """Show the counts of the last `seconds`, and the counts so far."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the display."""


def open_screen(plan: Plan) -> Screen:
    """Return the display that standard error can show."""
    if can_draw(sys.stderr):
        return LiveTable(plan)
    return LiveLine(is_shown=sys.stderr.isatty())


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLine:
    """A line that is overwritten in place; nothing if standard error is not a terminal."""

    is_shown: bool

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, seconds: float, recent: Tally, total: Tally) -> None:
        """Overwrite the line."""
        if self.is_shown:
            print(f"\r\x1b[K{describe_second(seconds, recent, total)}", end="", file=sys.stderr, flush=True)


class LiveTable:
    """A table of the last second and of the whole run, with a bar for the time that has passed."""

    def __init__(self, plan: Plan) -> None:
        from rich.live import Live

        self._plan = plan
        self._began: float | None = None
        self._live = Live(console=make_console(sys.stderr), auto_refresh=False, transient=True, redirect_stdout=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, seconds: float, recent: Tally, total: Tally) -> None:
        """Redraw the table."""
        if self._began is None and total.sent:
            self._began = time.monotonic() - seconds
        self._live.update(self._draw(seconds, recent, total), refresh=True)

    def _draw(self, seconds: float, recent: Tally, total: Tally) -> RenderableType:
        from rich import box
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        elapsed = 0.0 if self._began is None else time.monotonic() - self._began
        status = (
            "connecting"
            if self._began is None
            else f"{min(elapsed, self._plan.duration):.1f} of {self._plan.duration:g} s"
        )
        head = Table.grid(padding=(0, 1))
        head.add_row("load", ProgressBar(total=self._plan.duration, completed=elapsed, width=40), status)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        table.add_column("")
        table.add_column("last second", justify="right")
        table.add_column("total", justify="right")
        for name, last, whole, is_flaw in live_rows(seconds, recent, total):
            table.add_row(name, last, whole, style="bold red" if is_flaw else "")
        return Group(head, table)
