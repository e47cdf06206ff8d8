"""Patterns of messages: what a scenario expects, and whether something is that.

An object is what it is exactly, but at the top, where members that are not named do not count. In a pattern an object
with one member whose name begins with `$` says more than equality does; docs/clients-conformance.md has the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.client_conformance.templates import Names, fill_in


class _Absent:
    """Stands for a member that is not there."""

    def __repr__(self) -> str:
        return "nothing"


_ABSENT = _Absent()


def has_members(value: object, pattern: Mapping[str, Any], names: Names) -> bool:
    """Tell whether an object has all members that a pattern names, each as it should be."""
    if not isinstance(value, Mapping):
        return False
    return all(fits(value.get(name, _ABSENT), wanted, names) for name, wanted in pattern.items())


def fits(value: object, pattern: object, names: Names) -> bool:
    """Tell whether a value is what a pattern says."""
    if isinstance(pattern, Mapping) and len(pattern) == 1 and next(iter(pattern)).startswith("$"):
        return _fits_operator(value, *next(iter(pattern.items())), names)
    if isinstance(pattern, Mapping):
        same_names = isinstance(value, Mapping) and value.keys() == pattern.keys()
        return same_names and has_members(value, pattern, names)
    if isinstance(pattern, list):
        if not isinstance(value, list) or len(value) != len(pattern):
            return False
        return all(fits(*pair, names) for pair in zip(value, pattern, strict=True))
    wanted = fill_in(pattern, names)
    return isinstance(value, bool) is isinstance(wanted, bool) and value == wanted


def _fits_operator(value: object, operator: str, operand: Any, names: Names) -> bool:
    match operator:
        case "$any":
            return value is not _ABSENT
        case "$absent":
            return value is _ABSENT
        case "$not":
            return not fits(value, operand, names)
        case "$either":
            return any(fits(value, each, names) for each in operand)
        case "$between":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return is_number and operand[0] <= value <= operand[1]
        case "$includes":
            return isinstance(value, list) and any(fits(each, operand, names) for each in value)
        case _:
            return fits(value, fill_in({operator: operand}, names), names)
