"""How a run of `pushaside load` goes: a table on a terminal that is drawn anew, or a line without `rich`."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from pushaside.cli.forms import can_draw, make_console
from pushaside_tools.load.plan import Plan
from pushaside_tools.load.report import describe_second, live_rows
from pushaside_tools.load.tally import Tally

if TYPE_CHECKING:
    from rich.console import RenderableType


class Screen(Protocol):
    """Where it is shown how a run goes."""

    def show(self, seconds: float, recent: Tally, total: Tally) -> None:
        """Show what was counted in the last seconds, and in all."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take it away."""


def open_screen(plan: Plan) -> Screen:
    """Return what suits standard error."""
    if can_draw(sys.stderr):
        return LiveTable(plan)
    return LiveLine(is_shown=sys.stderr.isatty())


class LiveLine:
    """A line on a terminal that is written over and over; on anything else nothing."""

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown = is_shown

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, seconds: float, recent: Tally, total: Tally) -> None:
        """Write it anew."""
        if self._is_shown:
            print(f"\r\x1b[K{describe_second(seconds, recent, total)}", end="", file=sys.stderr, flush=True)


class LiveTable:
    """A table of the last second and of all, with a bar for the time that is over."""

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
        """Draw it anew."""
        if self._began is None and total.sent:
            self._began = time.monotonic() - seconds
        self._live.update(self._draw(seconds, recent, total), refresh=True)

    def _draw(self, seconds: float, recent: Tally, total: Tally) -> RenderableType:
        from rich import box
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        over = 0.0 if self._began is None else time.monotonic() - self._began
        says = (
            "connecting"
            if self._began is None
            else f"{min(over, self._plan.duration):.1f} of {self._plan.duration:g} s"
        )
        head = Table.grid(padding=(0, 1))
        head.add_row("load", ProgressBar(total=self._plan.duration, completed=over, width=40), says)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        table.add_column("")
        table.add_column("last second", justify="right")
        table.add_column("in all", justify="right")
        for name, last, whole, is_flaw in live_rows(seconds, recent, total):
            table.add_row(name, last, whole, style="bold red" if is_flaw else "")
        return Group(head, table)
