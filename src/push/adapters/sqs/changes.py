"""The queue of changes."""

from __future__ import annotations

from typing import Any

from push.adapters.sqs.sender import QueueMessage, SqsSender
from push.sources.raised_tags import RaisedTags, group_of, serialize_raised_tags


class SqsChanges:
    """`push.sources.ports.ChangeSender` on SQS; each tenant is a message group, and the other scopes are two more."""

    def __init__(self, client: Any, queue_url: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._sender = SqsSender(client, queue_url)

    def send(self, raised: RaisedTags) -> None:
        """See `ChangeSender.send`."""
        self._sender.send([QueueMessage(serialize_raised_tags(raised), group=group_of(raised))])
