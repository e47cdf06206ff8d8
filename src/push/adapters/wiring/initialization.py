"""Building of dependencies while Lambda initializes an execution environment, when it has more CPU than later."""

from __future__ import annotations

import os
from collections.abc import Callable


def initialize(build: Callable[[], object]) -> None:
    """Build a function's dependencies now if Lambda imports the module; otherwise the first event builds them.

    On Lambda, a function that lacks a setting then fails to start, and its log names the setting. Source: "Lambda
    execution environment lifecycle" and "Defined runtime environment variables" (Lambda Developer Guide).
    """
    if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
        build()
