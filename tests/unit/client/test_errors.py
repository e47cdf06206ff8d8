import copy

import pytest

import pushaside
from pushaside.errors import CLASSES, PushasideError, error_from_wire


@pytest.mark.parametrize("code", sorted(CLASSES))
def test_every_code_of_the_wire_is_raised_as_a_class_of_its_own(code: str) -> None:
    error = error_from_wire({"code": code, "message": "So it is.", "retryable": True, "retry_after_ms": 1500})

    assert type(error) is CLASSES[code]
    assert (error.code, error.message, error.retryable, error.retry_after) == (code, "So it is.", True, 1.5)


def test_an_unknown_code_is_raised_as_the_base_class_and_kept() -> None:
    error = error_from_wire({"code": "out_of_cheese", "message": "No more.", "retryable": True})

    assert type(error) is PushasideError
    assert (error.code, error.message, error.retryable) == ("out_of_cheese", "No more.", True)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"code": 7, "message": None},
        {"code": "", "message": "", "retryable": "yes", "retry_after_ms": "soon"},
    ],
)
def test_an_error_without_usable_members_is_still_one(fields: dict) -> None:
    error = error_from_wire(fields)

    assert (error.code, error.retryable, error.retry_after) == ("internal", True, None)
    assert error.message


def test_a_timeout_is_also_the_builtin_one() -> None:
    with pytest.raises(TimeoutError):
        raise pushaside.RequestTimeoutError("Too late.")


def test_a_lost_connection_is_also_the_builtin_one() -> None:
    with pytest.raises(ConnectionError):
        raise pushaside.ConnectionClosedError("It is over.")


def test_a_copied_error_says_the_same() -> None:
    error = pushaside.CannotConnectError("Busy.", status=503, retry_after=2.0)
    copied = copy.copy(error)

    assert (type(copied), copied.message, copied.status, copied.retry_after) == (type(error), "Busy.", 503, 2.0)


def test_all_errors_are_exported() -> None:
    values = vars(pushaside.errors).items()
    classes = {name for name, value in values if isinstance(value, type) and issubclass(value, PushasideError)}

    assert classes <= set(pushaside.__all__)
