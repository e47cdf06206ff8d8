"""The functions of the built-in computes, which tell the changes of Pushaside's own tables and objects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.documents import DocumentsParams, changed_in_index, changed_in_store, documents_tags
from compute.leaderboard import LeaderboardParams, changed_board, leaderboard_tags
from push.changes.own_sources import DOCUMENTS, OBJECTS, SCORES
from push.changes.records import ChangedTag, ChangeRecord, UnreadableChangeError
from push.sources.documents import object_key

names = st.text("abzABZ019_.-", min_size=1, max_size=64).filter(lambda name: name not in {".", ".."})


def of_index(partition: Any, document_id: Any) -> ChangeRecord:
    return ChangeRecord(source=DOCUMENTS, key={"collection": partition, "id": document_id})


def of_scores(partition: Any, member: Any, score: object = 1) -> ChangeRecord:
    key = {"board": partition, "member": member}
    return ChangeRecord(source=SCORES, key=key, new={**key, "score": score})


@given(tenant=names, collection=names, document_id=names)
def test_the_tags_are_those_of_the_results_made_from_a_document(tenant: str, collection: str, document_id: str) -> None:
    one, every = DocumentsParams(collection, (document_id,)), DocumentsParams(collection)
    expected = [ChangedTag(tag, tenant) for tag in (*documents_tags(one), *documents_tags(every))]
    assert changed_in_index(of_index(f"{tenant}/{collection}", document_id)) == expected
    stored = ChangeRecord(source=OBJECTS, object_key=object_key(tenant, collection, document_id))
    assert changed_in_store(stored) == expected


@given(tenant=names, board=names, member=st.text(min_size=1), score=st.integers() | st.text())
def test_a_score_changes_its_board_whatever_it_is(tenant: str, board: str, member: str, score: object) -> None:
    """It may be older than what was read from the table meanwhile."""
    expected = [ChangedTag(tag, tenant) for tag in leaderboard_tags(LeaderboardParams(board))]
    assert changed_board(of_scores(f"{tenant}/{board}", member, score)) == expected


@pytest.mark.parametrize("partition", ["airports", "acme/", "a b/airports", "acme/air/ports", "*/airports", 1, None])
def test_a_row_of_something_else_is_unreadable(partition: object) -> None:
    with pytest.raises(UnreadableChangeError):
        changed_in_index(of_index(partition, "CA"))
    with pytest.raises(UnreadableChangeError):
        changed_board(of_scores(partition, "ada"))


@pytest.mark.parametrize(
    "key", ["documents/acme/x.json", "payloads/acme/airports/CA.json", "documents/a b/c/d.json", ""]
)
def test_an_object_of_something_else_is_unreadable(key: str) -> None:
    with pytest.raises(UnreadableChangeError):
        changed_in_store(ChangeRecord(source=OBJECTS, object_key=key))
