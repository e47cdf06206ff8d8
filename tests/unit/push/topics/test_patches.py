"""A patch makes the new value of the old one, is smaller, and is applied to nothing else."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from push.results import make_etag
from push.topics.patches import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ENTRIES,
    OVERHEAD_BYTES,
    Patch,
    PatchKind,
    PatchMismatchError,
    apply_patch,
    make_digest,
    make_patch,
)

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "patches.json").read_text())
FILLER = "something that stays as it is, so that a patch is the smaller of the two" * 3

NAMES = st.text("ab01/~-\ue000\U0001f600", max_size=2)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.integers(-2, 2) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.sampled_from([0.0, -0.0, 1.0]) | NAMES
VALUES = st.recursive(
    LEAVES,
    lambda values: st.lists(values, max_size=5) | st.dictionaries(NAMES, values, max_size=5),
    max_leaves=20,
)


def encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def patched(old: Any, new: Any) -> Patch:
    patch = make_patch(encode(old), encode(new))
    assert patch is not None
    return patch


def exactly(value: Any) -> str:
    """Text that tells true from 1, and 1 from 1.0; not -0.0 from 0.0, which the canonical form does not either."""
    return json.dumps(value, sort_keys=True).replace("-0.0", "0.0")


class TestMaking:
    @given(VALUES, VALUES)
    def test_the_patched_value_is_the_new_value(self, old: Any, new: Any) -> None:
        # Beside a filler, so that there is a patch for most of them.
        old, new = {"filler": FILLER, "value": old}, {"filler": FILLER, "value": new}
        patch = make_patch(encode(old), encode(new))
        assume(patch is not None)
        assert patch is not None
        assert exactly(json.loads(apply_patch(encode(old), patch))) == exactly(new)
        assert len(patch.body) + OVERHEAD_BYTES < len(encode(new))

    @given(st.lists(VALUES, max_size=5), st.lists(VALUES, max_size=5))
    def test_arrays_at_the_top_are_patched_too(self, old: list[Any], new: list[Any]) -> None:
        old, new = [FILLER, *old], [*new, FILLER]
        patch = make_patch(encode(old), encode(new))
        assume(patch is not None)
        assert patch is not None
        assert patch.kind is PatchKind.JSON
        assert exactly(json.loads(apply_patch(encode(old), patch))) == exactly(new)

    def test_a_changed_member_makes_a_merge_patch(self) -> None:
        patch = patched({"a": {"b": 1, "filler": FILLER}}, {"a": {"b": 2, "filler": FILLER}})
        assert (patch.kind, patch.body) == (PatchKind.MERGE, b'{"a":{"b":2}}')

    def test_a_removed_member_makes_a_merge_patch(self) -> None:
        assert patched({"a": 1, "filler": FILLER}, {"filler": FILLER}).body == b'{"a":null}'

    def test_a_changed_item_of_an_array_makes_a_json_patch(self) -> None:
        patch = patched({"a": [1, FILLER]}, {"a": [2, FILLER]})
        assert (patch.kind, patch.body) == (PatchKind.JSON, b'[{"op":"replace","path":"/a/0","value":2}]')

    @pytest.mark.parametrize(
        ("old", "new"),
        [({"a": 1}, {"a": None}), ({}, {"a": None}), ({}, {"a": {"b": None}}), ({"a": [1]}, {"a": {"b": {"c": None}}})],
    )
    def test_a_member_that_becomes_null_makes_a_json_patch(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        old, new = {**old, "filler": FILLER}, {**new, "filler": FILLER}
        patch = patched(old, new)
        assert patch.kind is PatchKind.JSON
        assert json.loads(apply_patch(encode(old), patch)) == new

    @pytest.mark.parametrize("rest", [{"b": None}, {"c": [None, {"d": None}]}])
    def test_a_null_that_stays_or_stands_in_an_array_is_no_hindrance(self, rest: dict[str, Any]) -> None:
        old, new = {"a": 1, **rest, "filler": FILLER}, {"a": 2, **rest, "filler": FILLER}
        assert patched(old, new).kind is PatchKind.MERGE

    @pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), (1, 1.0), ("1", 1), ([], {}), (None, False)])
    def test_what_python_takes_for_the_same_is_told_apart(self, old: Any, new: Any) -> None:
        for wrap in (lambda value: {"a": value}, lambda value: {"a": [value]}, lambda value: {"a": {"b": [value]}}):
            before, after = {**wrap(old), "filler": FILLER}, {**wrap(new), "filler": FILLER}
            assert exactly(json.loads(apply_patch(encode(before), patched(before, after)))) == exactly(after)

    def test_a_window_that_moves_by_one_makes_a_small_patch(self) -> None:
        rows = [{"time": number, "value": number * 1.5} for number in range(500)]
        assert len(patched({"rows": rows[:-1]}, {"rows": rows[1:]}).body) < 120

    def test_what_would_not_be_smaller_is_not_made(self) -> None:
        assert make_patch(b'{"a":1}', b'{"a":2}') is None
        assert make_patch(encode({"a": "x" * 500}), encode({"a": "y" * 500})) is None

    @pytest.mark.parametrize(
        "value",
        [
            "x" * MAX_BYTES,
            [1] * (MAX_ENTRIES + 1),
            [list(range(MAX_ENTRIES // 2))] * 3,
            json.loads("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)),
            2**53,
            -(2**53),
        ],
        ids=["long", "wide", "many", "deep", "large", "small"],
    )
    def test_what_would_take_too_long_or_has_no_canonical_form_is_not_made(self, value: Any) -> None:
        old, new = {"a": value, "filler": FILLER}, {"a": value, "b": 1, "filler": FILLER}
        assert make_patch(encode(old), encode(new)) is None

    @pytest.mark.parametrize("text", [b"", b"{", b'"\xff"', b'"\\ud800"', b"1e999", b"[" * 10_000 + b"]" * 10_000])
    def test_what_is_not_json_is_not_patched(self, text: bytes) -> None:
        good = encode({"filler": FILLER})
        assert make_patch(text, good) is None
        assert make_patch(good, text) is None

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["digits", "pairs", "permutation", "nested", "members"])
    def test_the_worst_takes_less_than_seconds(self, kind: str) -> None:
        old, new = worst(kind)
        started = time.process_time()
        make_patch(encode(old), encode(new))
        assert time.process_time() - started < 2


def worst(kind: str) -> tuple[Any, Any]:
    count = MAX_ENTRIES - 10
    match kind:
        case "digits":
            return [number * 7919 % 10 for number in range(count)], [number * 104729 % 13 for number in range(count)]
        case "pairs":
            pairs = [[number * 7919 % 10, number * 31 % 7] for number in range(count // 3)]
            return pairs, [[second, first] for first, second in reversed(pairs)]
        case "permutation":
            return list(range(count)), [number * 7919 % count for number in range(count)]
        case "nested":
            return tree(11, 0), tree(11, 1)
        case _:
            return {f"k{number}": 0 for number in range(count)}, {f"k{number}": 1 for number in range(count)}


def tree(depth: int, leaf: int) -> Any:
    return leaf if depth == 0 else [tree(depth - 1, leaf), tree(depth - 1, leaf + 1)]


class TestApplying:
    OLD, NEW = encode({"a": 1, "filler": FILLER}), encode({"a": 2, "filler": FILLER})

    @pytest.fixture
    def patch(self) -> Patch:
        return patched(json.loads(self.OLD), json.loads(self.NEW))

    def test_a_patch_is_applied_to_the_value_it_is_for_alone(self, patch: Patch) -> None:
        assert json.loads(apply_patch(self.OLD, patch)) == json.loads(self.NEW)
        for other in (self.NEW, self.OLD + b" ", b"{}", b""):
            with pytest.raises(PatchMismatchError):
                apply_patch(other, patch)

    @pytest.mark.parametrize("body", [b'{"a":3}', b"{}", b"[]", b"7", b"{"])
    def test_what_does_not_come_out_as_it_should_is_refused(self, patch: Patch, body: bytes) -> None:
        for kind in PatchKind:
            with pytest.raises(PatchMismatchError):
                apply_patch(self.OLD, replace(patch, kind=kind, body=body))

    @given(
        body=VALUES
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "other"]) | LEAVES,
                    "path": st.sampled_from(["", "/", "/a", "/a/b", "/b", "/filler/0", "a", "/~2", "/-"]) | LEAVES,
                    "from": st.sampled_from(["", "/", "/a", "/c"]) | LEAVES,
                    "value": VALUES,
                },
            )
        )
    )
    def test_whatever_is_no_patch_is_refused_without_another_error(self, body: Any) -> None:
        for kind in PatchKind:
            with pytest.raises(PatchMismatchError):
                apply_patch(self.OLD, Patch(kind, encode(body), base=make_etag(self.OLD), digest="0" * 24))


class TestDigests:
    @pytest.mark.parametrize("vector", VECTORS["digests"], ids=lambda vector: vector["json"][:30])
    def test_they_are_those_of_the_shared_vectors(self, vector: dict[str, Any]) -> None:
        assert make_digest(json.loads(vector["json"])) == vector["digest"]

    @pytest.mark.parametrize("vector", VECTORS["patches"], ids=lambda vector: vector["title"])
    def test_the_shared_patches_can_be_applied(self, vector: dict[str, Any]) -> None:
        kind, old, new = PatchKind(vector["kind"]), vector["old"].encode(), json.loads(vector["new"])
        patch = Patch(kind, encode(vector["patch"]), vector["base"], vector["digest"])
        assert exactly(json.loads(apply_patch(old, patch))) == exactly(new)

    @given(VALUES)
    def test_how_a_value_is_written_changes_nothing(self, value: Any) -> None:
        rewritten = json.loads(json.dumps(value, indent=1, sort_keys=True))
        assert make_digest(rewritten) == make_digest(value)

    @given(VALUES)
    def test_a_reader_that_knows_doubles_alone_comes_to_the_same(self, value: Any) -> None:
        as_doubles = json.loads(encode(value), parse_int=float)
        assert make_digest(as_doubles) == make_digest(value)

    @pytest.mark.parametrize("value", [2**53, -(2**53), 10**400, [2**60], {"a": 2**64}, math.inf, math.nan, "\ud800"])
    def test_what_no_double_holds_and_no_utf_8_has_none(self, value: Any) -> None:
        assert make_digest(value) is None
