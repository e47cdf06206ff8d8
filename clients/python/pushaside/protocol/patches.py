"""Patches of live results: applying them, and checking the value that comes out.

Values are as `json.loads` returns them. Patching leaves the value before unchanged: a caller may hold it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class PatchMismatchError(ValueError):
    """The patch does not fit the value; the client must fetch the whole value."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A change to the value whose etag is `base`. A list is a JSON Patch, a dictionary a JSON Merge Patch.

    `digest` is that of the value that must come out.
    """

    body: Any
    base: str
    digest: str

    def apply(self, value: object) -> object:
        """Return the patched value.

        Raises:
            PatchMismatchError: the patch cannot be applied, or another value comes out.

        """
        try:
            patched = apply_operations(value, self.body) if isinstance(self.body, list) else _merge(value, self.body)
            digest = make_digest(patched)
        except RecursionError as exc:
            raise PatchMismatchError("The patch is nested too deeply.") from exc
        if digest != self.digest:
            raise PatchMismatchError("The patched value does not have the digest of the patch.")
        return patched


def make_digest(value: object) -> str:
    """Return the digest of a JSON value: the first 96 bits, in hex, of the SHA-256 of its canonical form (RFC 8785).

    Raises:
        PatchMismatchError: the value has no canonical form.

    """
    # Only subscriptions that take patches need it.
    import rfc8785

    try:
        return hashlib.sha256(rfc8785.dumps(value)).hexdigest()[:24]  # type: ignore[arg-type]
    except rfc8785.CanonicalizationError as exc:
        raise PatchMismatchError(f"The value has no canonical form: {exc}.") from exc


def _merge(target: object, patch: object) -> object:
    """Apply a JSON Merge Patch (RFC 7396, section 2)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, change in patch.items():
        if change is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), change)
    return merged


def apply_operations(value: object, operations: list[Any]) -> object:
    """Apply a JSON Patch (RFC 6902) of the operations that the service uses: add, replace, remove and move.

    Containers on the way to a change are copied, all others are shared with the value before.

    Raises:
        PatchMismatchError: an operation cannot be applied.

    """
    for operation in operations:
        try:
            value = _apply(value, operation)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
            raise PatchMismatchError(f"The patch cannot be applied: {exc!r}.") from exc
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
        copied[place]  # Raises if there is nothing to replace.
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
