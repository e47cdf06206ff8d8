"""In-memory stand-ins for what deliveries work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from push.cache.jobs import Waiter
from push.delivery.deliveries import Delivery
from push.delivery.ports import PostOutcome
from push.errors import (
    CacheUnavailableError,
    PushasideError,
    QueueUnavailableError,
    TransientError,
)
from push.keys import Key
from push.protocol.frames import CacheState
from push.results import Result
from tests.fakes.cache import CacheModel
from tests.fakes.clock import no_delay


class FakeConnections:
    """`ClientConnections` that keeps the frames; connections that are not in `outcomes` take them."""

    def __init__(self, delay: Callable[[], Awaitable[None]] = no_delay) -> None:
        self._delay = delay
        self.outcomes: dict[str, PostOutcome] = {}
        self.frames: list[tuple[str, str]] = []

    async def post_all(self, frames: Sequence[tuple[str, str]]) -> list[PostOutcome]:
        outcomes = []
        for connection_id, frame in frames:
            outcome = self.outcomes.get(connection_id, PostOutcome.DELIVERED)
            if outcome is PostOutcome.DELIVERED:
                self.frames.append((connection_id, frame))
            outcomes.append(outcome)
        await self._delay()
        return outcomes

    def frames_of(self, connection_id: str) -> list[str]:
        return [frame for to, frame in self.frames if to == connection_id]


class FakeRecords:
    """`GoneConnections` that keeps who was forgotten."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    async def forget(self, connection_ids: Sequence[str]) -> None:
        self.forgotten += connection_ids


class FakeRecorder:
    """`AnswerRecorder` by tenant and request id; as in a record, the first answer counts."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Result | PushasideError] = {}

    async def record_result(self, key: Key, waiters: Sequence[Waiter], result: Result, state: CacheState) -> None:
        for waiter in waiters:
            self.answers.setdefault((waiter.tenant, waiter.request_id), result)

    async def record_error(self, waiters: Sequence[Waiter], error: PushasideError) -> None:
        for waiter in waiters:
            self.answers.setdefault((waiter.tenant, waiter.request_id), error)


class FakeDeliveries:
    """`DeliveryQueue` into a list."""

    def __init__(self) -> None:
        self.sent: list[tuple[Delivery, int]] = []
        self.is_down = False

    async def send(self, deliveries: Sequence[Delivery], delay_seconds: int) -> None:
        if self.is_down:
            raise QueueUnavailableError("SQS is down.")
        self.sent += [(delivery, delay_seconds) for delivery in deliveries]


class FakeDeliverySender:
    """`DeliverySender` into the same list."""

    def __init__(self, deliveries: FakeDeliveries) -> None:
        self._deliveries = deliveries

    def send(self, deliveries: Sequence[Delivery]) -> None:
        if self._deliveries.is_down:
            raise QueueUnavailableError("SQS is down.")
        self._deliveries.sent += [(delivery, 0) for delivery in deliveries]


class FakeEncodings:
    """`AcceptedEncodings` on the model; `reads` are the connections that were looked up."""

    def __init__(self, model: CacheModel) -> None:
        self._model = model
        self.reads: list[str] = []

    def write(self, connection_id: str, said: str) -> None:
        self._check()
        self._model.accepted[connection_id] = said

    def read(self, connection_id: str) -> str:
        self._check()
        self.reads.append(connection_id)
        return self._model.accepted.get(connection_id, "")

    def _check(self) -> None:
        if self._model.is_down:
            raise CacheUnavailableError("Redis is down.")


class FakeConnectionEncodings:
    """`ConnectionEncodings` on the model; `reads` are the connections that were looked up, by call."""

    def __init__(self, model: CacheModel) -> None:
        self._model = model
        self.reads: list[Sequence[str]] = []

    async def read_all(self, connection_ids: Sequence[str]) -> list[str]:
        if self._model.is_down:
            raise CacheUnavailableError("Redis is down.")
        self.reads.append(connection_ids)
        return [self._model.accepted.get(each, "") for each in connection_ids]


class FakePayloads:
    """`Payloads` in a dictionary."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.is_down = False

    def put(self, name: str, data: bytes) -> None:
        if self.is_down:
            raise TransientError("S3 is down.")
        self.stored[name] = data

    def link(self, name: str, seconds: int) -> str:
        return f"https://storage.test/{name}?seconds={seconds}"
