"""A failed compute is shown by the application's own frames, with its params and its request, once."""

from __future__ import annotations

import json
from pathlib import Path

from local.application.failures import FailureLines

SHOP = Path("/home/ada/shop")
EXCEPTION = """Traceback (most recent call last):
  File "/env/compute/computing.py", line 134, in _run
    value = await run_compute(compute, params, context)
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/home/ada/shop/computes/orders.py", line 10, in customer_orders
    return rows[0]["colour"]
           ~~~~~~~^^^^^^^^^^
KeyError: 'colour'"""


def line(attempt: int, exception: str = EXCEPTION, params: str = '{"customer":"ada"}') -> bytes:
    record = {"message": f"public/customer_orders@1:58 raised in attempt {attempt}", "attempt": attempt}
    return json.dumps(record | {"params": params, "request_id": "r-1", "exception": exception}).encode()


def test_only_the_frames_of_the_application_are_shown_with_params_and_request() -> None:
    assert FailureLines(SHOP).rewrite(line(1)).decode() == (
        'public/customer_orders@1:58 raised in attempt 1, params {"customer":"ada"}, request r-1\n'
        "Traceback (the application's frames):\n"
        '  File "/home/ada/shop/computes/orders.py", line 10, in customer_orders\n'
        '    return rows[0]["colour"]\n'
        "           ~~~~~~~^^^^^^^^^^\n"
        "KeyError: 'colour'"
    )


def test_the_next_attempt_is_not_shown_again_but_another_failure_or_request_is() -> None:
    lines = FailureLines(SHOP)
    assert lines.rewrite(line(1))
    assert lines.rewrite(line(2)) == b""
    assert lines.rewrite(line(1, params="{}"))
    assert lines.rewrite(line(3, EXCEPTION.replace("colour", "size")))
    assert lines.rewrite(line(1))


def test_a_failure_outside_the_application_is_shown_whole() -> None:
    elsewhere = EXCEPTION.replace("/home/ada/shop", "/env")
    assert elsewhere in FailureLines(SHOP).rewrite(line(1, elsewhere)).decode()


def test_other_lines_stay_as_they_are() -> None:
    for each in (b"hello", b'{"message":"x"}', b'"exception"', b'{"exception": 3}'):
        assert FailureLines(SHOP).rewrite(each) == each


def last_line(exception: str | None = None) -> bytes:
    message = "public/customer_orders@1:58 failed in all 3 attempts: The warehouse does not answer."
    record = {"message": message, "attempt": 3, "params": '{"customer":"ada"}', "request_id": "r-1", "is_last": True}
    return json.dumps(record if exception is None else record | {"exception": exception}).encode()


def test_the_end_of_all_attempts_is_one_sentence_if_its_traceback_was_shown() -> None:
    assert FailureLines(SHOP).rewrite(last_line()).decode() == (
        "public/customer_orders@1:58 failed in all 3 attempts: The warehouse does not answer, "
        'params {"customer":"ada"}, request r-1'
    )


def test_the_end_of_all_attempts_is_shown_again_for_the_next_request() -> None:
    lines = FailureLines(SHOP)
    first = lines.rewrite(last_line(EXCEPTION))
    assert b"orders.py" in first
    assert lines.rewrite(last_line(EXCEPTION)) == first
