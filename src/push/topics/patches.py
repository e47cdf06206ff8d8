"""Patches between two values of a topic, made where they are smaller than the new value.

A patch is a JSON Merge Patch (RFC 7396) or a JSON Patch (RFC 6902), whichever is smaller. A merge patch can neither
set a member to null nor change part of an array, so it is not made for such changes.

Two fields prove that both sides hold the same value:

- `base` is the etag of the value that the patch applies to. A client with another value does not apply the patch.
- `digest` identifies the patched value. An etag is a hash of bytes, and clients write the same value in different
  bytes. So the digest is the first 96 bits, in lower-case hex, of the SHA-256 of the canonical JSON (RFC 8785) in
  UTF-8. The canonical form has no blanks. Members are sorted by the UTF-16 code units of their names. Strings are
  escaped as by ECMAScript's `JSON.stringify`. Numbers are doubles, written as by ECMAScript's
  `Number.prototype.toString`: `1.0` is `1`, `-0.0` is `0`, `1e16` is `10000000000000000`, `1e21` is `1e+21`, `0.000001`
  is that, `0.0000001` is `1e-7`.

In a browser the canonical form is `JSON.stringify` of the value with sorted members; in Python it is the library
`rfc8785`. A value with an integer beyond ±(2**53 - 1) has no canonical form, because no double distinguishes it from
its neighbours; such a value is not patched. After a patch, a client holds the value with the message's etag.

Every JSON Patch that the library makes is applied and checked before it is returned.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator
from typing import Any, assert_never, cast

import jsonpatch
import msgspec
import rfc8785

from push.errors import PushasideError
from push.results import make_etag

MAX_BYTES = 256 * 1024
MAX_ENTRIES = 5_000
"""The most array items and object members of a value that is compared. Two arrays of so many items in a different order
take half a second, and the time grows faster than the number; a board of 100 ranks takes 3 ms."""

MAX_DEPTH = 32
"""The most levels of a value that is compared; time grows with their square."""

OVERHEAD_BYTES = 96
"""The bytes of a message with a patch beside the patch: base, digest and their names."""


class PatchMismatchError(PushasideError):
    """A patch does not fit the value, or the patched value has a different digest."""


class PatchKind(enum.StrEnum):
    """The format of a patch's body."""

    MERGE = "merge"
    """A JSON Merge Patch (RFC 7396); the body is an object."""
    JSON = "json"
    """A JSON Patch (RFC 6902); the body is an array."""


class Patch(msgspec.Struct, frozen=True):
    """A patch from one value to another. `base` is an etag; the module describes `digest`."""

    kind: PatchKind
    body: bytes
    base: str
    digest: str


def make_digest(value: object) -> str | None:
    """Return the digest of a JSON value; None if it has no canonical form."""
    try:
        canonical = rfc8785.dumps(cast(Any, value))
    except rfc8785.CanonicalizationError:
        return None
    return hashlib.sha256(canonical).hexdigest()[:24]


def make_patch(old: bytes, new: bytes) -> Patch | None:
    """Return the patch from one JSON value to another; None if it would not be smaller than the new value.

    Also None for values that would take too long to compare (`MAX_BYTES`, `MAX_ENTRIES`, `MAX_DEPTH`), that have no
    canonical form, or that are not JSON. Blocks for some milliseconds, and for half a second at most.
    """
    if max(len(old), len(new)) > MAX_BYTES:
        return None
    try:
        before, after = msgspec.json.decode(old), msgspec.json.decode(new)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not (_is_comparable(before) and _is_comparable(after)) or (digest := make_digest(after)) is None:
        return None
    limit = len(new) - OVERHEAD_BYTES
    bodies = sorted(_make_bodies(before, after), key=lambda candidate: len(candidate[1]))
    for kind, body in bodies:
        patch = Patch(kind, body, make_etag(old), digest)
        if len(body) < limit and _is_sound(old, patch):
            return patch
    return None


def apply_patch(old: bytes, patch: Patch) -> bytes:
    """Return the JSON of the patched value.

    Raises:
        PatchMismatchError: the old value is not the patch's base, or the patched value has a different digest; then
            the whole value must be fetched.

    """
    if make_etag(old) != patch.base:
        raise PatchMismatchError("The patch applies to a different value.")
    try:
        value = _apply(msgspec.json.decode(old), patch.kind, msgspec.json.decode(patch.body))
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, msgspec.DecodeError, TypeError) as exc:
        raise PatchMismatchError("The patch can't be applied.") from exc
    if make_digest(value) != patch.digest:
        raise PatchMismatchError("The patched value has a different digest.")
    return msgspec.json.encode(value)


def _make_bodies(before: object, after: object) -> Iterator[tuple[PatchKind, bytes]]:
    if isinstance(before, dict) and isinstance(after, dict) and _is_mergeable(before, after):
        yield PatchKind.MERGE, msgspec.json.encode(_merge_patch(before, after))
    yield PatchKind.JSON, msgspec.json.encode(jsonpatch.make_patch(before, after).patch)


def _is_sound(old: bytes, patch: Patch) -> bool:
    try:
        apply_patch(old, patch)
    except PatchMismatchError:
        return False
    return True


def _apply(value: object, kind: PatchKind, body: Any) -> object:  # noqa: ANN401 - any JSON
    match kind:
        case PatchKind.MERGE:
            return _merge(value, body)
        case PatchKind.JSON:
            # The library would parse text as JSON again.
            if not isinstance(body, list):
                raise PatchMismatchError("The patch is not an array of operations.")
            return jsonpatch.apply_patch(value, body, in_place=True)
        case _:
            assert_never(kind)


def _merge(target: object, patch: object) -> object:
    """Apply a merge patch (RFC 7396, section 2)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, change in patch.items():
        if change is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), change)
    return merged


def _merge_patch(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    patch: dict[str, object] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            if changes := _merge_patch(old, value):
                patch[name] = changes
        elif name not in before or not _is_same(old, value):
            patch[name] = value
    return patch


def _is_mergeable(before: dict[str, object], after: dict[str, object]) -> bool:
    """Return whether a merge patch can make the change: it can't set a member to null."""
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, dict) and not _is_mergeable(old if isinstance(old, dict) else {}, value):
            return False
        if value is None and (name not in before or old is not None):
            return False
    return True


def _is_same(one: object, other: object) -> bool:
    """Compare JSON values; in Python, True equals 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return type(one) is type(other) and one == other


def _is_comparable(value: object) -> bool:
    level, entries = [value], 0
    for _ in range(MAX_DEPTH):
        level = [entry for container in level for entry in _entries(container)]
        entries += len(level)
        if not level or entries > MAX_ENTRIES:
            break
    return not level


def _entries(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
