"""The context object that a handler is given, as Lambda's Python runtime makes it.

Source: "Using the Lambda context object to retrieve Python function information" (Lambda Developer Guide).
"""

from __future__ import annotations

import time


class LambdaContext:
    """Tells a handler about its function, its environment and the time it has left."""

    __slots__ = (
        "_deadline_ns",
        "aws_request_id",
        "client_context",
        "function_name",
        "function_version",
        "identity",
        "invoked_function_arn",
        "log_group_name",
        "log_stream_name",
        "memory_limit_in_mb",
        "tenant_id",
    )

    def __init__(self, function: FunctionIdentity, aws_request_id: str, deadline_ns: int) -> None:
        self.aws_request_id = aws_request_id
        self.function_name = function.name
        self.function_version = "$LATEST"
        self.invoked_function_arn = function.arn
        self.memory_limit_in_mb = function.memory_megabytes
        self.log_group_name = function.log_group_name
        self.log_stream_name = function.log_stream_name
        self.client_context = None
        self.identity = None
        self.tenant_id = None
        self._deadline_ns = deadline_ns

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function's timeout, at least 0."""
        return max(0, (self._deadline_ns - time.monotonic_ns()) // 1_000_000)

    def log(self, message: object) -> None:
        """Write to the function's log."""
        print(message, flush=True)  # a function's log is its standard output

    def __repr__(self) -> str:
        return (
            f"LambdaContext([aws_request_id={self.aws_request_id},log_group_name={self.log_group_name},"
            f"log_stream_name={self.log_stream_name},function_name={self.function_name},"
            f"memory_limit_in_mb={self.memory_limit_in_mb},function_version={self.function_version},"
            f"invoked_function_arn={self.invoked_function_arn}])"
        )


class FunctionIdentity:
    """What is the same in every context of one environment."""

    __slots__ = ("arn", "log_group_name", "log_stream_name", "memory_megabytes", "name")

    def __init__(
        self, *, name: str, arn: str, memory_megabytes: int, log_group_name: str, log_stream_name: str
    ) -> None:
        self.name = name
        self.arn = arn
        self.memory_megabytes = memory_megabytes
        self.log_group_name = log_group_name
        self.log_stream_name = log_stream_name
