"""The context is what Lambda's own looks like."""

from __future__ import annotations

import time

import pytest

from local.functions.lambda_context import FunctionIdentity, LambdaContext

FUNCTION = FunctionIdentity(
    name="f", arn="arn:aws:lambda:f", memory_megabytes=256, log_group_name="/aws/lambda/f", log_stream_name="s"
)

ENVIRONMENT = "1b4e28ba-2fa1-11d2-883f-"


@pytest.mark.parametrize(("seconds", "low", "high"), [(10, 9_000, 10_000), (-1, 0, 0)])
def test_the_remaining_time_counts_down_to_nothing(seconds: int, low: int, high: int) -> None:
    context = LambdaContext(FUNCTION, ENVIRONMENT, 1, time.monotonic_ns() + seconds * 1_000_000_000)
    assert low <= context.get_remaining_time_in_millis() <= high


def test_everything_that_lambda_documents_is_there() -> None:
    context = LambdaContext(FUNCTION, ENVIRONMENT, 26, 0)
    assert context.aws_request_id == "1b4e28ba-2fa1-11d2-883f-00000000001a"
    assert context.function_name == "f"
    assert context.function_version == "$LATEST"
    assert context.invoked_function_arn == "arn:aws:lambda:f"
    assert context.memory_limit_in_mb == 256
    assert context.log_group_name == "/aws/lambda/f"
    assert context.log_stream_name == "s"
    assert context.client_context is None
    assert context.identity is None
    assert context.tenant_id is None
    assert "aws_request_id=1b4e28ba-2fa1-11d2-883f-00000000001a" in repr(context)
