"""Translation of botocore's exceptions for DynamoDB into the project's errors.

Their sentences may reach clients, so they say only what was attempted. The exception's cause is for the log.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from push.errors import SourceThrottledError, TransientError

_THROTTLES = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
    }
)


def is_condition_failure(exc: Exception) -> bool:
    """Return whether a write failed because of its own condition."""
    return error_code(exc) == "ConditionalCheckFailedException"


def translate(exc: Exception, what: str) -> TransientError:
    """Return the error to raise when DynamoDB did not do `what`."""
    if error_code(exc) in _THROTTLES:
        return SourceThrottledError(f"DynamoDB throttled the attempt to {what}.", retry_after_ms=1000)
    return TransientError(f"DynamoDB did not {what}.")


def error_code(exc: Exception) -> str:
    """Return the service's code of an error; empty if the request never reached the service."""
    return str(exc.response.get("Error", {}).get("Code", "")) if isinstance(exc, ClientError) else ""
