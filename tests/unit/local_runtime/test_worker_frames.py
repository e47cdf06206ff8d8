"""The runtime and its workers agree on numbers, ids and the shared page."""

from __future__ import annotations

from local.functions.worker_frames import ProgressPage, make_progress_file, request_id


def test_a_request_id_is_a_uuid_of_the_environment_and_the_number() -> None:
    assert request_id("01234567-89ab-4cde-8f01-", 26) == "01234567-89ab-4cde-8f01-00000000001a"


def test_both_sides_see_the_same_page() -> None:
    with make_progress_file() as file:
        ours, theirs = ProgressPage(file.fileno()), ProgressPage(file.fileno())
    assert ours.read() == (0, 0)
    theirs.write(7, 2**60)
    assert ours.read() == (7, 2**60)
