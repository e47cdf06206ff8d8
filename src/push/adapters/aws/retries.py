"""Retries of AWS calls, for our own clients.

Source: "Retry behavior" (AWS SDKs and Tools Reference Guide).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import ClientError, HTTPClientError

TRIES = 3
LONGEST_PAUSE_SECONDS = 0.2
"""The longest pause before the second try; full jitter. The pause before the third is up to twice as long."""


class Fault(msgspec.Struct, frozen=True):
    """An error answer of a service, in the form of botocore's `response`, and whether a retry may help."""

    response: Any
    is_temporary: bool


A = TypeVar("A")


def call(operation: str, exchange: Callable[[], A], find_fault: Callable[[A], Fault | None]) -> A:
    """Make a call, try it up to three times, and return the first answer without a fault.

    Raises:
        ClientError: the service answered with an error; `response` has botocore's form.
        HTTPClientError: the service did not answer.

    """
    for further_tries in reversed(range(TRIES)):
        try:
            answer = exchange()
        except OSError as exc:
            if not further_tries:
                raise HTTPClientError(error=exc) from exc
        else:
            fault = find_fault(answer)
            if fault is None:
                return answer
            if not further_tries or not fault.is_temporary:
                raise ClientError(fault.response, operation)
        time.sleep(LONGEST_PAUSE_SECONDS * (TRIES - further_tries) * random.random())  # noqa: S311 - no secret
    raise AssertionError("the last try returns or raises")
