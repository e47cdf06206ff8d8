"""The client patches as the service does, and tells when it can't."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import push.topics.patches
from pushaside.protocol.patches import Patch, PatchMismatchError, make_digest

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[3] / "vectors" / "patches.json").read_text())
NAMES = st.text("ab01/~-\x01\ue000\U0001f600", max_size=2)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | NAMES,
    lambda values: st.lists(values, max_size=5) | st.dictionaries(NAMES, values, max_size=5),
    max_leaves=20,
)
FILLER = "something that stays as it is, so that a patch is the smaller of the two" * 3


@pytest.mark.parametrize("vector", VECTORS["digests"], ids=lambda vector: vector["json"])
def test_digests_are_those_that_all_agree_on(vector: dict[str, str]) -> None:
    assert make_digest(json.loads(vector["json"])) == vector["digest"]


@pytest.mark.parametrize("vector", VECTORS["patches"], ids=lambda vector: vector["title"])
def test_patches_make_what_all_agree_on(vector: dict[str, Any]) -> None:
    old = json.loads(vector["old"])
    patched = Patch(vector["patch"], vector["base"], vector["digest"]).apply(old)
    assert make_digest(patched) == make_digest(json.loads(vector["new"]))
    assert old == json.loads(vector["old"]), "the value before is left as it was"


@given(VALUES)
def test_digests_are_the_services(value: Any) -> None:
    assert make_digest(value) == push.topics.patches.make_digest(value)


@given(VALUES, VALUES)
def test_what_the_service_makes_is_applied(one: Any, other: Any) -> None:
    old, new = {"filler": FILLER, "value": one}, {"filler": FILLER, "value": other}
    made = push.topics.patches.make_patch(json.dumps(old).encode(), json.dumps(new).encode())
    if made is not None:
        before = copy.deepcopy(old)
        patched = Patch(json.loads(made.body), made.base, made.digest).apply(old)
        assert make_digest(patched) == make_digest(new)
        assert old == before


@pytest.mark.parametrize(
    "body",
    [
        {"a": 2},
        [{"op": "replace", "path": "/c", "value": 1}],
        [{"op": "remove", "path": "/c"}],
        [{"op": "remove", "path": ""}],
        [{"op": "replace", "path": "/b/7", "value": 1}],
        [{"op": "add", "path": "/a/b", "value": 1}],
        [{"op": "move", "from": "/c", "path": "/a"}],
        [{"op": "test", "path": "/a", "value": 1}],
        [{"op": "add"}],
        [1],
        "text",
    ],
)
def test_a_patch_that_does_not_fit_is_refused(body: Any) -> None:
    with pytest.raises(PatchMismatchError):
        Patch(body, "base", make_digest({"a": 3})).apply({"a": 1, "b": [0]})


@pytest.mark.parametrize("value", [2**53, -(2**53), "\ud800"])
def test_what_has_no_canonical_form_has_no_digest(value: Any) -> None:
    with pytest.raises(PatchMismatchError):
        make_digest([value])
