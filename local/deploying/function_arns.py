"""The names of functions in the ARNs and URIs that refer to them."""

from __future__ import annotations

import re

from local.errors import CannotStartError

_FUNCTION_IN_URI = re.compile(r":function:([A-Za-z0-9_-]+)")


def function_in(uri: str) -> str:
    """Return the name of the function that an ARN or the URI of an integration refers to."""
    match = _FUNCTION_IN_URI.search(uri)
    if match is None:
        raise CannotStartError(f"The integration {uri} does not name a function.")
    return match[1]
