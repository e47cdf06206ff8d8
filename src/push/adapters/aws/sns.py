"""Publishing to SNS topics."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.durable.ports import AttemptOutcome


class SnsTopics:
    """`push.durable.ports.SnsPublisher` on SNS."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client

    async def publish(self, arn: str, message: str, attributes: Mapping[str, str]) -> AttemptOutcome:
        """See `SnsPublisher.publish`."""
        return await asyncio.to_thread(self._publish, arn, message, attributes)

    def _publish(self, arn: str, message: str, attributes: Mapping[str, str]) -> AttemptOutcome:
        described = {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()}
        try:
            answer = self._client.publish(TopicArn=arn, Message=message, MessageAttributes=described)
        except ClientError as exc:
            status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return AttemptOutcome(
                status, f"SNS refused the message: {exc.response.get('Error', {}).get('Code', 'Unknown')}."
            )
        except BotoCoreError as exc:
            return AttemptOutcome(error=f"SNS did not answer: {type(exc).__name__}.")
        return AttemptOutcome(answer["ResponseMetadata"]["HTTPStatusCode"])
