"""In-memory stand-ins for what queue consumers work with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from push.errors import (
    ErrorCode,
    QueueUnavailableError,
    RequestError,
    TransientError,
)
from push.metrics import Dimension, Metric


class FakeRedelivery:
    """`RedeliveryTimes` that keeps what was hidden."""

    def __init__(self) -> None:
        self.hidden: list[dict[str, int]] = []
        self.is_down = False

    def hide(self, seconds_by_receipt: Mapping[str, int]) -> None:
        assert len(seconds_by_receipt) <= 10, "SQS takes ten entries a call"
        if not self.is_down:
            self.hidden.append(dict(seconds_by_receipt))


class FakeCounter:
    """`Counter` that tests can read."""

    def __init__(self) -> None:
        self.counts: defaultdict[tuple[Metric, Dimension | None], float] = defaultdict(float)

    def count(self, metric: Metric, value: float = 1.0, dimension: Dimension | None = None) -> None:
        self.counts[metric, dimension] += value

    def of(self, metric: Metric, dimension: Dimension | None = None) -> float:
        return self.counts[metric, dimension]


class FakeBodies:
    """`push.ports.QueueBodies` with a bucket of its own; every document leaves a claim check on it."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.is_down = False

    def pack(self, document: str) -> str:
        if self.is_down:
            raise QueueUnavailableError("S3 is down.")
        name = f"claim:{len(self.kept)}"
        self.kept[name] = document
        return name

    async def unpack(self, body: str) -> str:
        if self.is_down:
            raise TransientError("S3 is down.")
        if body not in self.kept:
            raise RequestError("It is no longer kept.", code=ErrorCode.NOT_FOUND)
        return self.kept[body]
