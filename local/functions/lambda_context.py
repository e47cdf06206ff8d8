"""The context object of a handler, as Lambda's Python runtime makes it.

Source: "Using the Lambda context object to retrieve Python function information" (Lambda Developer Guide).
"""

from __future__ import annotations

import time

from local.functions.worker_frames import request_id


class LambdaContext:
    """Describes the function, the environment and the remaining time to a handler."""

    __slots__ = ("_deadline_ns", "_environment_id", "_function", "_number")

    function_version = "$LATEST"
    client_context = None
    identity = None
    tenant_id = None

    def __init__(self, function: FunctionIdentity, environment_id: str, number: int, deadline_ns: int) -> None:
        # Most handlers read nothing, so properties compute the rest on demand.
        self._function = function
        self._environment_id = environment_id
        self._number = number
        self._deadline_ns = deadline_ns

    @property
    def aws_request_id(self) -> str:
        """The invocation's id."""
        return request_id(self._environment_id, self._number)

    @property
    def function_name(self) -> str:
        """The function's deployed name."""
        return self._function.name

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN."""
        return self._function.arn

    @property
    def memory_limit_in_mb(self) -> int:
        """The function's memory in MB."""
        return self._function.memory_megabytes

    @property
    def log_group_name(self) -> str:
        """The name of the function's log group."""
        return self._function.log_group_name

    @property
    def log_stream_name(self) -> str:
        """The name of the environment's log stream."""
        return self._function.log_stream_name

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
    """The values that all contexts of one environment share."""

    __slots__ = ("arn", "log_group_name", "log_stream_name", "memory_megabytes", "name")

    def __init__(
        self, *, name: str, arn: str, memory_megabytes: int, log_group_name: str, log_stream_name: str
    ) -> None:
        self.name = name
        self.arn = arn
        self.memory_megabytes = memory_megabytes
        self.log_group_name = log_group_name
        self.log_stream_name = log_stream_name
