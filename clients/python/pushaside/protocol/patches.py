"""Patches of live results: what makes the new value of the one before, and how to tell that it is right.

Values are as `json.loads` makes them, and none that is patched is changed: what changes is made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_MAX_SAFE = 2**53 - 1


class PatchMismatchError(ValueError):
    """A patch does not fit what it was applied to: the value is to be asked for."""


@dataclass(frozen=True, slots=True)
class Patch:
    """What makes a value of the one whose etag is `base`: a JSON Patch is a list, a JSON Merge Patch a dictionary.

    `digest` is of the value that must come out.
    """

    body: Any
    base: str
    digest: str

    def apply(self, value: object) -> object:
        """Return the patched value.

        Raises:
            PatchMismatchError: the patch can't be applied, or something else comes out.

        """
        try:
            patched = _apply_all(value, self.body) if isinstance(self.body, list) else _merge(value, self.body)
            digest = make_digest(patched)
        except RecursionError as exc:
            raise PatchMismatchError("The patch is too deep to be applied.") from exc
        if digest != self.digest:
            raise PatchMismatchError("The patched value is not what it should be.")
        return patched


def make_digest(value: object) -> str:
    """Return the digest of a JSON value: 96 bits in hex of the SHA-256 of its canonical form (RFC 8785).

    Raises:
        PatchMismatchError: it has no canonical form.

    """
    try:
        canonical = "".join(_canonical(value)).encode()
    except UnicodeEncodeError as exc:
        raise PatchMismatchError("Half a surrogate pair has no canonical form.") from exc
    return hashlib.sha256(canonical).hexdigest()[:24]


def _canonical(value: object) -> Iterator[str]:
    match value:
        case dict():
            separator = "{"
            for name in sorted(value, key=lambda each: each.encode("utf-16-be", "surrogatepass")):
                yield f"{separator}{_quote(name)}:"
                yield from _canonical(value[name])
                separator = ","
            yield "}" if value else "{}"
        case list():
            separator = "["
            for item in value:
                yield separator
                yield from _canonical(item)
                separator = ","
            yield "]" if value else "[]"
        case float():
            yield _write_double(value)
        case int() if not isinstance(value, bool) and abs(value) > _MAX_SAFE:
            raise PatchMismatchError("A number of that size has no canonical form.")
        case _:
            yield _quote(value)


def _quote(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _write_double(number: float) -> str:
    """Write a number as ECMAScript does (ECMA-262, Number::toString); its digits are those of Python's `repr`."""
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + int(exponent)
    if 0 < point <= 21:
        text = f"{text[:point]}.{text[point:]}".rstrip(".") if point < len(text) else text.ljust(point, "0")
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{text}"
    else:
        fraction = f".{text[1:]}" if len(text) > 1 else ""
        text = f"{text[0]}{fraction}e{point - 1:+d}"
    return f"-{text}" if sign else text


def _merge(target: object, patch: object) -> object:
    """Apply a merge patch as section 2 of RFC 7396 says."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, change in patch.items():
        if change is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), change)
    return merged


def _apply_all(value: object, operations: list[Any]) -> object:
    """Apply a JSON Patch (RFC 6902) of the operations that the service uses."""
    for operation in operations:
        try:
            value = _apply(value, operation)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
            raise PatchMismatchError(f"The patch can't be applied: {exc!r}.") from exc
    return value


def _apply(value: object, operation: Mapping[str, Any]) -> object:
    path = _parse_pointer(operation["path"])
    match operation["op"]:
        case "add":
            return _with(value, path, operation["value"], is_new=True)
        case "replace":
            return _with(value, path, operation["value"], is_new=False)
        case "remove":
            return _without(value, path)
        case "move":
            source = _parse_pointer(operation["from"])
            moved = value
            for step in source:
                moved = _container(moved)[_place(moved, step)]
            return _with(_without(value, source), path, moved, is_new=True)
        case unknown:
            raise ValueError(unknown)


def _parse_pointer(text: str) -> list[str]:
    """Read a JSON Pointer (RFC 6901)."""
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _with(value: object, path: list[str], new: object, *, is_new: bool) -> object:
    if not path:
        return new
    copied, place = _container(value).copy(), _place(value, path[0])
    if len(path) > 1:
        copied[place] = _with(copied[place], path[1:], new, is_new=is_new)
    elif not is_new:
        copied[place]  # What is replaced must be there.
        copied[place] = new
    elif isinstance(copied, list):
        copied.insert(place, new)
    else:
        copied[place] = new
    return copied


def _without(value: object, path: list[str]) -> object:
    copied, place = _container(value).copy(), _place(value, path[0])
    if len(path) > 1:
        copied[place] = _without(copied[place], path[1:])
    else:
        del copied[place]
    return copied


def _container(value: object) -> Any:  # noqa: ANN401  (a dict or a list, by what it holds)
    if not isinstance(value, dict | list):
        raise TypeError(value)
    return value


def _place(container: object, step: str) -> Any:  # noqa: ANN401  (a name or an index)
    if not isinstance(container, list):
        return step
    return len(container) if step == "-" else int(step)
