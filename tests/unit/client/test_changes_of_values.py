"""What a live table marks."""

from __future__ import annotations

from pushaside.cli.screen.changes import as_rows, mark_changes


def marks(before: list[dict] | None, after: list[dict]) -> list[str]:
    return [row.mark for row in mark_changes(before, after).rows]


def test_nothing_is_marked_at_first() -> None:
    assert marks(None, [{"member": "ann", "score": 1}]) == [" "]


def test_rows_are_known_by_what_names_them_wherever_they_are() -> None:
    before = [{"member": "ann", "score": 2}, {"member": "ben", "score": 1}]

    assert marks(before, list(reversed(before))) == ["▲", "▼"]


def test_a_row_in_its_place_with_another_value_is_changed_in_that_cell() -> None:
    table = mark_changes([{"member": "ann", "score": 1}], [{"member": "ann", "score": 2}])

    assert (table.rows[0].mark, table.rows[0].changed) == ("●", {"score"})


def test_what_was_not_there_is_new_and_what_is_not_there_any_more_is_counted() -> None:
    table = mark_changes([{"member": "ann"}], [{"member": "ben"}, {"member": "cyd"}])

    assert [row.mark for row in table.rows] == ["+", "+"]
    assert table.gone == 1


def test_rows_without_a_name_are_known_by_their_number() -> None:
    before = [{"x": 1, "y": 1}, {"x": 1, "y": 2}]

    assert marks(before, [{"x": 1, "y": 1}, {"x": 9, "y": 2}, {"x": 1, "y": 3}]) == [" ", "●", "+"]


def test_an_object_is_a_table_of_names_and_values() -> None:
    before, after = as_rows({"bid": 1, "ask": 2}), as_rows({"bid": 1, "ask": 3})
    assert before is not None
    assert after is not None

    assert [row.mark for row in mark_changes(before, after).rows] == [" ", "●"]


def test_what_is_no_table_is_none() -> None:
    assert as_rows([1, 2]) is None
    assert as_rows({"a": {"b": 1}}) is None
    assert as_rows(None) is None
    assert as_rows([]) is None
