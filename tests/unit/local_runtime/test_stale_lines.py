"""The lines of `pushaside local --explain`."""

from __future__ import annotations

import pytest

from local.functions.stale_lines import show_stale


def test_a_stale_result_is_one_sentence() -> None:
    line = b'{"level":"INFO","message":"acme/order@1:ab is stale: @Orders changed","stale_key":"acme/order@1:ab"}'
    assert show_stale(line) == b"acme/order@1:ab is stale: @Orders changed"


@pytest.mark.parametrize(
    "line",
    [b"plain text", b'{"message":"another"}', b'broken "stale_key"', b'{"stale_key":1}', b'{"stale_key":"\xff"}'],
)
def test_any_other_line_stays_as_it_is(line: bytes) -> None:
    assert show_stale(line) == line
