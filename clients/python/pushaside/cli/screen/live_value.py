"""A live result on a terminal: a table that updates in place with each value and marks the changes."""

from __future__ import annotations

import datetime as dt
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

import orjson

from pushaside import Subscription, Update
from pushaside.cli.forms import make_console
from pushaside.cli.screen.changes import MarkedRow, MarkedTable, Row, as_rows, mark_changes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.text import Text

_CHANGED = "bold yellow"
_ROOM_LINES = 8
"""Lines of the terminal that are not rows of the table."""


class LiveValue:
    """A drawing of the newest value, with the state of the connection below it."""

    def __init__(self, subscription: Subscription) -> None:
        from rich.live import Live

        self._subscription = subscription
        self._console = make_console(sys.stdout)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stderr=sys.stderr.isatty())
        self._value: RenderableType = "…"
        self._rows: Sequence[Row] | None = None
        self._updates = 0
        self._note = ""

    def __enter__(self) -> Self:
        self._live.start()
        self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, update: Update, at: dt.datetime) -> None:
        """Draw a new value in place of the one before."""
        self._updates += 1
        rows = as_rows(update.data)
        if rows is None:
            self._value = _write_json(update.data)
            self._note = ""
        else:
            marked = mark_changes(self._rows, rows)
            self._value = draw_rows(marked, max(3, self._console.size.height - _ROOM_LINES))
            self._note = f" · {marked.gone} gone" if marked.gone else ""
        self._rows = rows
        self._note = f"{at:%H:%M:%S} · {update.position}{self._note}"
        self._draw()

    def tell(self) -> None:
        """Draw the state of the connection."""
        self._draw()

    def _draw(self) -> None:
        from rich.console import Group
        from rich.text import Text

        holds, failure = self._subscription.holds, self._subscription.failure
        light = Text("● live" if holds else "○ connection lost, reconnecting", "green" if holds else "yellow")
        times = "update" if self._updates == 1 else "updates"
        line = Text.assemble(light, f" · {self._updates} {times}", f" · {self._note}" if self._note else "")
        said = [Text(f"the compute fails: {failure.message} ({failure.code})", "red")] if failure else []
        head = Text(str(self._subscription.topic), "bold")
        self._live.update(Group(head, self._value, line, *said), refresh=True)


def draw_rows(table: MarkedTable, most: int) -> RenderableType:
    """Draw a table whose first column marks the changes, with at most `most` rows."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    drawn.add_column("", width=1)
    for column in table.columns:
        values = [row.cells.get(column) for row in table.rows]
        is_numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        drawn.add_column(Text(column), justify="right" if is_numeric else "left")
    for row in table.rows[:most]:
        drawn.add_row(Text(row.mark, _CHANGED), *(_cell(row, column) for column in table.columns))
    if len(table.rows) > most:
        drawn.caption = f"and {len(table.rows) - most:,} more"
    return drawn


def _cell(row: MarkedRow, column: str) -> Text:
    # As text, because data may contain what rich takes for markup.
    from rich.text import Text

    value = row.cells.get(column)
    return Text("" if value is None else str(value), _CHANGED if column in row.changed else "")


def _write_json(data: object) -> RenderableType:
    from rich.json import JSON

    return JSON(orjson.dumps(data).decode(), ensure_ascii=False)
