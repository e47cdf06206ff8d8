"""The output of commands: JSON documents for programs; for people a line about a result, and the result itself.

Data goes to standard output, everything about the data to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import orjson

from pushaside.cli.forms import has_rich, make_console
from pushaside.cli.receiving.webhooks import UNAVAILABLE, Receipt
from pushaside.errors import PushasideError
from pushaside.protocol.messages import Result

_SCALARS = (str, int, float, bool, type(None))


def print_document(document: Mapping[str, object]) -> None:
    """Print a JSON document on a line of its own."""
    print(orjson.dumps(document).decode(), flush=True)


def result_document(result: Result, elapsed_seconds: float) -> dict[str, object]:
    """Return a result in the form of the wire, with the time it took."""
    return {
        "type": "result",
        "id": result.id,
        "key": result.key,
        "etag": result.etag,
        "cache": result.cache,
        "age_ms": round(result.age * 1000),
        "data": result.data,
        "elapsed_ms": milliseconds(elapsed_seconds),
    }


def error_document(error: PushasideError) -> dict[str, object]:
    """Return an error in the form of the wire."""
    after = error.retry_after
    return {
        "type": "error",
        "error": {
            "code": error.code,
            "message": error.message,
            "retryable": error.retryable,
            "retry_after_ms": None if after is None else round(after * 1000),
        },
    }


def milliseconds(elapsed_seconds: float) -> float:
    """Convert seconds to milliseconds, rounded to the microsecond."""
    return round(elapsed_seconds * 1000, 3)


def describe_result(result: Result, elapsed_seconds: float) -> str:
    """Describe a result in a line.

    >>> result = Result("r1", "documents@1:ab12cd34ef567890", "5f2a", "hit", 75.2, [])
    >>> describe_result(result, 0.0034)
    'hit · 3.4 ms · 75 s old · documents@1:ab12cd34… · etag 5f2a'
    """
    compute, _, digest = result.key.rpartition(":")
    key = result.key if len(digest) <= len("ab12cd34") else f"{compute}:{digest[:8]}…"
    age = "" if result.cache == "miss" else f"{describe_age(result.age)} old"
    parts = [result.cache, describe_elapsed(elapsed_seconds), age, key, f"etag {result.etag}"]
    return " · ".join(part for part in parts if part)


def describe_elapsed(elapsed_seconds: float) -> str:
    """Format a short time for people.

    >>> describe_elapsed(0.0034), describe_elapsed(0.034), describe_elapsed(2.5)
    ('3.4 ms', '34 ms', '2.5 s')
    """
    if elapsed_seconds < 0.01:
        return f"{elapsed_seconds * 1000:.1f} ms"
    return f"{elapsed_seconds * 1000:.0f} ms" if elapsed_seconds < 1 else f"{elapsed_seconds:.1f} s"


def describe_age(age_seconds: float) -> str:
    """Format an age for people.

    >>> describe_age(0.4), describe_age(75.2), describe_age(7300)
    ('0.4 s', '75 s', '122 min')
    """
    if age_seconds < 10:
        return f"{age_seconds:.1f} s"
    return f"{age_seconds:.0f} s" if age_seconds < 120 else f"{age_seconds / 60:.0f} min"


def receipt_document(receipt: Receipt) -> dict[str, object]:
    """Return what a webhook contained, and how it was answered."""
    return {
        "type": "webhook",
        "webhook_id": receipt.webhook_id,
        "verified": receipt.is_verified,
        "why": receipt.why or None,
        "answered": receipt.answered,
        "duplicate": receipt.is_duplicate,
        "event": receipt.type or None,
        "request": receipt.request or None,
        "etag": receipt.etag or None,
        "bytes": receipt.size_bytes,
        "sha256": receipt.sha256 or None,
        "linked": receipt.is_linked,
        "error": None if receipt.error is None else error_document(receipt.error)["error"],
        "trouble": receipt.trouble or None,
    }


def describe_receipt(receipt: Receipt) -> str:
    """Describe a webhook and its answer in a line.

    >>> describe_receipt(Receipt("msg_1", 204, type="request.done", request="r1", size_bytes=2048, sha256="ab12"))
    'verified · 204 · request.done · request r1 · 2,048 bytes · sha256 ab12 · msg_1'
    >>> describe_receipt(Receipt("msg_1", 401, why="There is no signature of version v1."))
    'NOT verified · 401 · There is no signature of version v1. · msg_1'
    """
    parts = [
        "verified" if receipt.is_verified else "NOT verified",
        f"{receipt.answered}" + (", by --fail-first" if receipt.answered == UNAVAILABLE else ""),
        "duplicate" if receipt.is_duplicate else "",
        receipt.why,
        receipt.type,
        receipt.request and f"request {receipt.request}",
        "" if receipt.error is None else f"{receipt.error.code}: {receipt.error.message}",
        "" if receipt.size_bytes is None else f"{receipt.size_bytes:,} bytes",
        receipt.sha256 and f"sha256 {receipt.sha256}",
        "by link" if receipt.is_linked else "",
        receipt.trouble,
        receipt.webhook_id,
    ]
    return " · ".join(part for part in parts if part)


def print_data(data: object) -> None:
    """Print a result's data as a line of JSON; on a terminal, print a list of flat objects as a table."""
    if sys.stdout.isatty() and has_rich():
        _print_rich(data)
        return
    option = orjson.OPT_INDENT_2 if sys.stdout.isatty() else None
    print(orjson.dumps(data, option=option).decode(), flush=True)


def is_tabular(data: object) -> bool:
    """Tell whether data is a list of flat objects, which contain neither objects nor lists.

    >>> is_tabular([{"iata": "DFW"}, {"iata": "LAX"}]), is_tabular([{"at": {"lat": 1}}]), is_tabular([])
    (True, False, False)
    """
    return (
        isinstance(data, list)
        and bool(data)
        and all(isinstance(row, dict) and all(isinstance(cell, _SCALARS) for cell in row.values()) for row in data)
    )


def _print_rich(data: object) -> None:
    from rich.json import JSON
    from rich.table import Table
    from rich.text import Text

    console = make_console(sys.stdout)
    if not isinstance(data, list) or not is_tabular(data):
        console.print(JSON(orjson.dumps(data).decode(), ensure_ascii=False))
        return
    columns = list(dict.fromkeys(column for row in data for column in row))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        is_numeric = all(isinstance(row.get(column), int | float) for row in data)
        table.add_column(Text(column), justify="right" if is_numeric else "left")
    for row in data:
        # As text, because data may contain what rich takes for markup.
        table.add_row(*(Text("" if row.get(column) is None else str(row[column])) for column in columns))
    console.print(table)
