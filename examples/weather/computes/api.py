"""Calls of the weather API, and which of its failures a retry can fix."""

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from push import ComputeFailedError, SourceThrottledError, TransientError

if TYPE_CHECKING:
    import httpx

FORECASTS = "FORECASTS_URL"
PLACES = "PLACES_URL"
TIMEOUT_SECONDS = 4.0


def get(service: str, query: dict[str, Any]) -> dict[str, Any]:
    """Return the API's answer; `service` is the environment variable with the URL."""
    import httpx  # functions that only check params do not load it

    try:
        response = client().get(os.environ[service], params=query)
    except httpx.TransportError as error:
        raise TransientError(f"The weather API does not answer: {error}.") from error
    if response.status_code == 429:
        raise SourceThrottledError(retry_after_ms=1000 * int(response.headers.get("Retry-After", 1)))
    if response.is_server_error:
        raise TransientError(f"The weather API answers {response.status_code}.")
    if not response.is_success:
        # The same question gets the same answer, so a retry is of no use.
        raise ComputeFailedError(f"The weather API refuses the question with {response.status_code}.")
    answer: dict[str, Any] = response.json()
    return answer


@cache
def client() -> "httpx.Client":
    """Return the client of this execution environment: its connections outlive a run."""
    import httpx

    return httpx.Client(timeout=TIMEOUT_SECONDS)
