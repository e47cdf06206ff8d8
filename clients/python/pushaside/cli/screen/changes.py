"""The changes between two values of a live result, row by row: the pure part of its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pushaside.cli.output import is_tabular

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class MarkedRow:
    """A row with its changes: whether it is new, which cells changed, and by how many rows it rose."""

    cells: Row
    is_new: bool
    changed: frozenset[str]
    moved: int = 0

    @property
    def mark(self) -> str:
        """One character for the change, readable without colour: new, changed, up, down, or none."""
        if self.is_new:
            return "+"
        if self.moved:
            return "▲" if self.moved > 0 else "▼"
        return "●" if self.changed else " "


@dataclass(frozen=True, slots=True)
class MarkedTable:
    """A value as a table, and the number of rows that disappeared."""

    columns: tuple[str, ...]
    rows: tuple[MarkedRow, ...]
    gone: int


def as_rows(value: object) -> Sequence[Row] | None:
    """Return a value as rows. A flat object becomes rows of name and value; None stands for all that is no table.

    >>> as_rows({"a": 1})
    [{'name': 'a', 'value': 1}]
    """
    if isinstance(value, list) and is_tabular(value):
        return value
    if isinstance(value, dict) and value and not any(isinstance(each, dict | list) for each in value.values()):
        return [{"name": name, "value": each} for name, each in value.items()]
    return None


def mark_changes(before: Sequence[Row] | None, after: Sequence[Row]) -> MarkedTable:
    """Mark the changes between two lists of rows; nothing is marked if there was no value before.

    The first column whose texts are unique before and after identifies a row, or else its number does.

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
    # Text identifies; a number that happens to be unique is more often a rank or a score.
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
