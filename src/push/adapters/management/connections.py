"""Frames to clients through `@connections`, without botocore on the way: a frame is a series of one.

One push costs a twentieth to a thirtieth of the CPU that boto3's `post_to_connection` takes, and threads do not help
boto3 (`benchmarks/push_clients.py` measures both). `boto3_connections` is the same behind a setting.
"""

from __future__ import annotations

from collections.abc import Sequence

from push.adapters.aws.sigv4 import Signer
from push.adapters.management.frame_series import ManagementSeries
from push.delivery.ports import PostOutcome, Series

PUSH_SECONDS = 3.0


class ManagementConnections:
    """`push.delivery.ports.ClientConnections` by hand: signed POSTs over a pool of keep-alive connections.

    Args:
        endpoint: the management endpoint, `https://{host}/{stage}`.
        signer: signs for the service `execute-api`.
        connections: how many pushes are under way at once.
        push_seconds: how long a push may take.

    """

    def __init__(
        self, endpoint: str, signer: Signer, *, connections: int = 50, push_seconds: float = PUSH_SECONDS
    ) -> None:
        # Nobody is pushed a next frame here, so the last of many are waited for as long as the others.
        self._series = ManagementSeries(
            endpoint, signer, connections=connections, push_seconds=push_seconds, last_seconds=push_seconds
        )

    async def post_all(self, frames: Sequence[tuple[str, str]]) -> list[PostOutcome]:
        """See `ClientConnections.post_all`."""
        series = [Series(connection_id, (frame.encode(),)) for connection_id, frame in frames]
        return [posted.outcome for posted in await self._series.post_series(series)]

    def close(self) -> None:
        """Close the idle connections."""
        self._series.close()
