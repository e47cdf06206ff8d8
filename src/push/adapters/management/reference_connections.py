"""Pushes by boto3's `post_to_connection`: the reference that the tests hold our own client to.

Operators can select it by `MANAGEMENT_CLIENT=boto3`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.delivery.ports import PostOutcome

_OUTCOMES = {410: PostOutcome.GONE, 429: PostOutcome.RETRY}


class Boto3Connections:
    """`push.delivery.ports.ClientConnections` on boto3, with one thread per push."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client

    async def post_all(self, frames: Sequence[tuple[str, str]]) -> list[PostOutcome]:
        """See `ClientConnections.post_all`."""
        posts = (asyncio.to_thread(self._post, connection_id, frame.encode()) for connection_id, frame in frames)
        return list(await asyncio.gather(*posts))

    def _post(self, connection_id: str, body: bytes) -> PostOutcome:
        try:
            self._client.post_to_connection(ConnectionId=connection_id, Data=body)
        except ClientError as exc:
            status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
            return _OUTCOMES.get(status, PostOutcome.RETRY if status >= 500 else PostOutcome.REFUSED)
        except BotoCoreError:
            return PostOutcome.RETRY
        return PostOutcome.DELIVERED
