"""The page `/_local/stats`: counts of the runtime and its functions since the start."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from local.application.reloading import Reloader
from local.embedded.aws_process import EmbeddedAws
from local.embedded.redis_process import EmbeddedRedis
from local.functions.service import Functions
from local.gateway.server import Gateway
from local.metrics import Metrics
from local.queue_depths import QueueDepth, QueueDepths

_CACHE_METRICS = {
    "misses": "CacheMiss",
    "stale": "CacheStale",
    "coalesced": "Coalesced",
    "refused_fills": "RefusedFill",
    "takeovers": "Takeover",
    "refreshes": "Refresh",
    "invalidated": "Invalidated",
}


class Stats:
    """Collects the counts on request."""

    def __init__(
        self,
        metrics: Metrics,
        functions: Functions,
        depths: QueueDepths,
        *,
        aws: EmbeddedAws | None,
        redis: EmbeddedRedis | None,
    ) -> None:
        self.gateway: Gateway | None = None
        self.reloader: Reloader | None = None
        """None if no application runs."""
        self._metrics = metrics
        self._functions = functions
        self._depths = depths
        self._aws = aws
        self._redis = redis
        self._started = time.monotonic()

    async def page(self) -> tuple[int, str, bytes]:
        """Return the counts as a JSON page."""
        figures = self._figures(await self._depths.read())
        return 200, "application/json", orjson.dumps(figures, option=orjson.OPT_INDENT_2)

    def _figures(self, depths: Mapping[str, QueueDepth]) -> dict[str, Any]:
        metrics, gateway = self._metrics, self.gateway
        pools = self._functions.pools.values()
        return {
            "uptime_seconds": round(time.monotonic() - self._started, 3),
            "invocations": {pool.function.logical_id: pool.invocations for pool in pools},
            "computes": _counts(metrics.by_dimension("Compute", "ComputeName")),
            "cache": {
                "hits": _counts(metrics.by_dimension("CacheHit", "Tier")),
                **{name: int(metrics.total(metric)) for name, metric in _CACHE_METRICS.items()},
            },
            "pushes": _counts(metrics.by_dimension("Push", "Outcome")),
            "queues": {name: asdict(depth) for name, depth in depths.items()},
            "connections": gateway.connections if gateway else 0,
            "messages": {
                "in": gateway.messages_in if gateway else 0,
                "out": gateway.messages_out if gateway else 0,
            },
            "management": {str(status): count for status, count in (gateway.pushes if gateway else {}).items()},
            "restarts": {"redis": self._redis.restarts if self._redis else 0},
            "processes": self._processes(),
            "metrics": metrics.all(),
            **({"application": self.reloader.describe()} if self.reloader else {}),
        }

    def _processes(self) -> dict[str, Any]:
        processes: dict[str, Any] = {}
        if self._aws is not None:
            processes["aws"] = self._aws.pid
        if self._redis is not None:
            processes["redis"] = self._redis.pid
        processes["workers"] = [
            {"function": pool.function.logical_id, "pid": environment.pid}
            for pool in self._functions.pools.values()
            for environment in pool.environments
            if environment.pid is not None
        ]
        return processes


def _counts(sums: dict[str, float]) -> dict[str, int]:
    return {name: int(value) for name, value in sorted(sums.items())}
