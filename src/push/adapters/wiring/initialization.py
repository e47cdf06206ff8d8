"""What a function does while Lambda initializes its execution environment, when it has more CPU than later."""

from __future__ import annotations

import os
from collections.abc import Callable


def initialize(build: Callable[[], object]) -> None:
    """Make a function's dependencies now, if Lambda is what imports it; otherwise the first event has them made.

    A function that lacks a setting then does not start, and its log says which. Source: "Lambda execution environment
    lifecycle" and "Defined runtime environment variables" (Lambda Developer Guide).
    """
    if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
        build()
