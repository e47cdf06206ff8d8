"""What changed between two values of a live result, row by row: the pure part of its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pushaside.cli.output import is_tabular

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class MarkedRow:
    """A row: whether it was not there before, which cells are other than before, and by how many rows it rose."""

    cells: Row
    is_new: bool
    changed: frozenset[str]
    moved: int = 0

    @property
    def mark(self) -> str:
        """One character that says it without colour: new, changed, up, down, or nothing."""
        if self.is_new:
            return "+"
        if self.moved:
            return "▲" if self.moved > 0 else "▼"
        return "●" if self.changed else " "


@dataclass(frozen=True, slots=True)
class MarkedTable:
    """A value as a table, and how many rows are gone that the value before had."""

    columns: tuple[str, ...]
    rows: tuple[MarkedRow, ...]
    gone: int


def as_rows(value: object) -> Sequence[Row] | None:
    """Return a value as rows; None if it is no list of flat objects. An object is rows of name and value.

    >>> as_rows({"a": 1})
    [{'name': 'a', 'value': 1}]
    """
    if isinstance(value, list) and is_tabular(value):
        return value
    if isinstance(value, dict) and value and not any(isinstance(each, dict | list) for each in value.values()):
        return [{"name": name, "value": each} for name, each in value.items()]
    return None


def mark_changes(before: Sequence[Row] | None, after: Sequence[Row]) -> MarkedTable:
    """Hold rows against those before, of which there are none at first, when nothing is marked.

    Rows are the same by the first column whose values tell them all apart, before and after, or else by their number.

    >>> table = mark_changes([{"member": "ann", "score": 1}], [{"member": "ann", "score": 2}])
    >>> [(row.mark, sorted(row.changed)) for row in table.rows]
    [('●', ['score'])]
    """
    columns = tuple(dict.fromkeys(column for row in after for column in row))
    if before is None:
        return MarkedTable(columns, tuple(MarkedRow(row, is_new=False, changed=frozenset()) for row in after), 0)
    key = _find_key(columns, before, after)
    earlier = {_name(row, number, key): (number, row) for number, row in enumerate(before)}
    marked, kept = [], 0
    for number, row in enumerate(after):
        known = earlier.get(_name(row, number, key))
        if known is None:
            marked.append(MarkedRow(row, is_new=True, changed=frozenset(columns)))
            continue
        kept += 1
        place, was = known
        changed = frozenset(column for column in columns if row.get(column) != was.get(column))
        marked.append(MarkedRow(row, is_new=False, changed=changed, moved=place - number if key else 0))
    return MarkedTable(columns, tuple(marked), len(before) - kept)


def _find_key(columns: Sequence[str], *tables: Sequence[Row]) -> str | None:
    # Text names things; a number that happens to be unique is more often a place or a score.
    for column in columns:
        for rows in tables:
            values = [row.get(column) for row in rows]
            if len(set(values)) != len(values) or not all(isinstance(value, str) for value in values):
                break
        else:
            return column
    return None


def _name(row: Row, number: int, key: str | None) -> object:
    return number if key is None else row.get(key)
