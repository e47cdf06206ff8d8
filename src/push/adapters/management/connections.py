"""Pushes of single frames through `@connections`: each frame is a series of one.

A push takes a twentieth to a thirtieth of the CPU of boto3's `post_to_connection`, and threads do not help boto3
(`benchmarks/push_clients.py` measures both). `reference_connections` does the same by boto3.
"""

from __future__ import annotations

from collections.abc import Sequence

from push.adapters.aws.sigv4 import Signer
from push.adapters.management.frame_series import ManagementSeries
from push.delivery.ports import PostOutcome, Series

PUSH_SECONDS = 3.0


class ManagementConnections:
    """`push.delivery.ports.ClientConnections` by signed POSTs over a pool of keep-alive connections.

    Args:
        endpoint: the management endpoint, `https://{host}/{stage}`.
        signer: signs for the service `execute-api`.
        connections: how many pushes run at once.
        push_seconds: the limit of one push.

    """

    def __init__(
        self, endpoint: str, signer: Signer, *, connections: int = 50, push_seconds: float = PUSH_SECONDS
    ) -> None:
        # No client gets a second frame here, so the slowest pushes may take as long as the others.
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
