"""The tags of buckets: every read shares a tag with each change that could alter it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from push.sources.bucket_tags import tags_of_changed_object, tags_of_list, tags_of_object
from push.sources.source_tags import SourceTag

KEYS = st.text("ab/é", max_size=24)


def texts(tags: list[SourceTag]) -> set[str]:
    return {tag.text for tag in tags}


def test_a_change_raises_the_tags_of_the_object_its_folders_and_the_bucket() -> None:
    assert tags_of_changed_object("files", "2026/11/a.json") == [
        "@s3:files",
        "@s3:files/2026/",
        "@s3:files/2026/11/",
        "@s3:files/2026/11/a.json",
    ]


def test_a_list_depends_on_the_folder_of_its_prefix() -> None:
    assert texts(tags_of_list("files", "2026/11/a")) == {"@s3:files/2026/11/"}
    assert texts(tags_of_list("files", "20")) == {"@s3:files"}


def test_a_folder_beyond_the_eighth_has_no_tag() -> None:
    assert texts(tags_of_list("files", "1/2/3/4/5/6/7/8/9/x")) == {"@s3:files/1/2/3/4/5/6/7/8/"}


def test_another_object_of_the_folder_leaves_an_object_alone() -> None:
    assert not texts(tags_of_object("files", "2026/a")) & set(tags_of_changed_object("files", "2026/b"))


def test_another_folder_leaves_a_list_alone() -> None:
    assert not texts(tags_of_list("files", "2026/")) & set(tags_of_changed_object("files", "2025/a"))


@given(KEYS.filter(bool), KEYS)
def test_a_changed_object_concerns_its_reads_and_the_lists_that_have_it(key: str, prefix: str) -> None:
    raised = set(tags_of_changed_object("files", key))

    assert texts(tags_of_object("files", key)) <= raised
    if key.startswith(prefix):
        assert texts(tags_of_list("files", prefix)) <= raised


@given(KEYS.filter(bool))
def test_a_change_raises_whatever_may_stand_for_a_tag(key: str) -> None:
    raised = set(tags_of_changed_object("files", key))

    (tag,) = tags_of_object("files", key)
    assert {*tag.wider} <= raised
    assert tag.wider[-1] == "@s3:files"
