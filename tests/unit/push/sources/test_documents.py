"""Documents put in order, bounded and merged."""

from __future__ import annotations

import pytest

from push.errors import ComputeFailedError, ErrorCode
from push.sources import documents
from push.sources.documents import Reference, check_bounds, merge, object_key, put_in_order


def reference(name: str, size_bytes: int = 1, tenant: str = "acme") -> Reference:
    return Reference(name, object_key(tenant, "letters", name), size_bytes)


A, B, C = reference("a"), reference("b"), reference("c")


def test_documents_come_in_the_order_in_which_they_were_asked_for() -> None:
    assert put_in_order("letters", ["c", "a"], [A, B, C]) == [C, A]


def test_a_missing_document_is_named() -> None:
    with pytest.raises(ComputeFailedError, match="The collection 'letters' lacks the document 'x'") as caught:
        put_in_order("letters", ["a", "x"], [A])
    assert caught.value.code is ErrorCode.NOT_FOUND


def test_of_many_missing_documents_one_is_named_and_the_others_counted() -> None:
    with pytest.raises(ComputeFailedError, match="'x' and 2 more"):
        put_in_order("letters", ["x", "y", "z"], [A])


def test_too_many_documents_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENTS", 2)
    check_bounds("acme", [A, B])
    with pytest.raises(ComputeFailedError) as caught:
        check_bounds("acme", [A, B, C])
    assert caught.value.code is ErrorCode.TOO_LARGE


def test_too_many_bytes_are_refused() -> None:
    half = documents.MAX_DOCUMENTS_BYTES // 2
    check_bounds("acme", [reference("a", half), reference("b", half)])
    with pytest.raises(ComputeFailedError) as caught:
        check_bounds("acme", [reference("a", half), reference("b", half + 1)])
    assert caught.value.code is ErrorCode.TOO_LARGE


def test_an_index_that_names_another_tenants_object_is_not_followed() -> None:
    with pytest.raises(ComputeFailedError) as caught:
        check_bounds("acme", [reference("a", tenant="other")])
    assert caught.value.code is ErrorCode.FORBIDDEN


def test_a_tenant_whose_name_begins_another_has_nothing_of_it() -> None:
    with pytest.raises(ComputeFailedError):
        check_bounds("acme", [reference("a", tenant="acme2")])


def test_arrays_are_joined_and_everything_else_is_appended() -> None:
    contents = [b'[1, {"b": 2}]', b'{"c": 3}', b"[]", b'"four"']
    assert merge([A, B, C, A], contents) == [1, {"b": 2}, {"c": 3}, "four"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1,]", b"\xff", b'"\xff"', b"[" * 100_000], ids=lambda each: repr(each[:9])
)
def test_a_document_that_is_not_json_is_named(content: bytes) -> None:
    with pytest.raises(ComputeFailedError, match="'b'"):
        merge([A, B], [b"1", content])
