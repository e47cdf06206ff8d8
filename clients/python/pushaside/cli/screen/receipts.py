"""The output of `pushaside listen`: documents, lines, or a table that grows."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections import deque
from typing import TYPE_CHECKING, Protocol

from pushaside.cli.forms import can_draw, is_json, make_console
from pushaside.cli.output import describe_receipt, print_document, receipt_document
from pushaside.cli.receiving.webhooks import Receipt

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOST_ROWS = 100
_ROOM_LINES = 8


class Sink(Protocol):
    """An output for webhooks."""

    def announce(self, url: str) -> None:
        """Show the URL that accepts webhooks."""

    def show(self, receipt: Receipt) -> None:
        """Show a webhook."""

    def close(self) -> None:
        """End the output."""


def open_sink(arguments: argparse.Namespace) -> Sink:
    """Return the output that suits standard output and the options."""
    if is_json(arguments):
        return Documents()
    return ReceiptTable() if can_draw(sys.stdout) else Lines()


class Documents:
    """A JSON document for each webhook."""

    def announce(self, url: str) -> None:
        """Print the URL that accepts webhooks."""
        print_document({"type": "ready", "url": url})

    def show(self, receipt: Receipt) -> None:
        """Print a webhook."""
        print_document(receipt_document(receipt))

    def close(self) -> None:
        """Do nothing: everything is printed."""


class Lines:
    """A line for each webhook."""

    def announce(self, url: str) -> None:
        """Print the URL that accepts webhooks."""
        print(f"ready: {url} accepts webhooks", flush=True)

    def show(self, receipt: Receipt) -> None:
        """Print a webhook."""
        print(describe_receipt(receipt), flush=True)

    def close(self) -> None:
        """Do nothing: everything is printed."""


class ReceiptTable:
    """A table of the latest webhooks and their number, which stays on the terminal at the end."""

    def __init__(self) -> None:
        from rich.live import Live

        self._console = make_console(sys.stdout)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stderr=sys.stderr.isatty())
        self._latest: deque[tuple[dt.datetime, Receipt]] = deque(maxlen=_MOST_ROWS)
        self._verified = self._refused = 0

    def announce(self, url: str) -> None:
        """Print the URL that accepts webhooks."""
        self._console.print(f"ready: {url} accepts webhooks", style="bold", markup=False)
        self._live.start()

    def show(self, receipt: Receipt) -> None:
        """Add a webhook."""
        self._latest.append((dt.datetime.now().astimezone(), receipt))
        self._verified += receipt.is_verified
        self._refused += not receipt.is_verified
        self._live.update(self._draw(), refresh=True)

    def close(self) -> None:
        """Stop updating the table."""
        self._live.stop()

    def _draw(self) -> RenderableType:
        from rich import box
        from rich.table import Table

        room = max(3, self._console.size.height - _ROOM_LINES)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for name in ("time", "", "answered", "event", "request", "bytes", "note", "webhook"):
            table.add_column(name, justify="right" if name == "bytes" else "left")
        for at, receipt in list(self._latest)[-room:]:
            table.add_row(f"{at:%H:%M:%S}", *_cells(receipt), style="" if receipt.is_verified else "red")
        table.caption = f"{self._verified:,} verified, {self._refused:,} not"
        return table


def _cells(receipt: Receipt) -> list[RenderableType]:
    """Return the cells of a webhook after its time, as text: a webhook may contain what rich takes for markup."""
    from rich.text import Text

    said = [
        receipt.why,
        "duplicate" if receipt.is_duplicate else "",
        "" if receipt.error is None else f"{receipt.error.code}: {receipt.error.message}",
        "by link" if receipt.is_linked else "",
        receipt.trouble,
    ]
    size = "" if receipt.size_bytes is None else f"{receipt.size_bytes:,}"
    mark = "✓" if receipt.is_verified else "✗"
    note = ", ".join(each for each in said if each)
    cells = (mark, str(receipt.answered), receipt.type, receipt.request, size, note, receipt.webhook_id)
    return [Text(cell) for cell in cells]
