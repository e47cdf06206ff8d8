"""How those who wait on a key are told: with the result or with an error, and then taken off the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from push.answers import CacheState, render_error, render_result
from push.deliveries import KEPT_MS, Delivery
from push.delivering import Deliverer
from push.errors import PushasideError
from push.jobs import LEASE_TERM_MS, Waiter
from push.keys import Key
from push.ports import AnswerRecorder, Leases
from push.results import Result

_ANSWERS_AT_A_TIME = 500
"""Bounds what the frames of a large answer to many waiters take in memory."""


class WaiterAnswers:
    """Answers waiters for one execution environment; who was answered is settled, so nobody is twice without need.

    Args:
        leases: where waiters are parked.
        deliverer: brings frames to connections.
        recorder: settles durable requests.
        now_ms: the clock, in milliseconds since 1970.

    """

    def __init__(
        self, *, leases: Leases, deliverer: Deliverer, recorder: AnswerRecorder, now_ms: Callable[[], int]
    ) -> None:
        self._leases = leases
        self._recorder = recorder
        self._deliverer = deliverer
        self._now_ms = now_ms

    async def answer(
        self, key: Key, token: str, waiters: Sequence[Waiter], result: Result, state: CacheState = CacheState.MISS
    ) -> None:
        """Answer parked waiters with a result, keeping the lease held under `token` alive meanwhile.

        Raises:
            CacheUnavailableError: some were answered and are still parked, so they may be answered again.

        """
        for some in _chunks(waiters):
            await self._leases.settle(key, await self.send_result(key, some, result, state))
            if len(waiters) > _ANSWERS_AT_A_TIME:
                # A now of 0 lets nobody expire: those who are being answered are still parked.
                await self._leases.renew(key, token, LEASE_TERM_MS, 0)

    async def refuse(self, key: Key, waiters: Sequence[Waiter], error: PushasideError) -> None:
        """Answer parked waiters with an error.

        Raises:
            CacheUnavailableError: some were answered and are still parked, so they may be answered again.

        """
        for some in _chunks(waiters):
            await self._leases.settle(key, await self.send_error(some, error))

    async def send_result(
        self, key: Key, waiters: Sequence[Waiter], result: Result, state: CacheState = CacheState.MISS
    ) -> list[Waiter]:
        """Send a result without touching the key; return those for whom no more is to be done."""
        connected, recorded = _split(waiters)
        if recorded:
            await self._recorder.record_result(key, recorded, result, state)
        now_ms = self._now_ms()
        frames = [(each, render_result(each.request_id, key, result, state, now_ms)) for each in connected]
        return [*recorded, *await self._send(frames)]

    async def send_error(self, waiters: Sequence[Waiter], error: PushasideError) -> list[Waiter]:
        """Send an error without touching the key; return those for whom no more is to be done."""
        connected, recorded = _split(waiters)
        if recorded:
            await self._recorder.record_error(recorded, error)
        return [*recorded, *await self._send([(each, render_error(each.request_id, error)) for each in connected])]

    async def _send(self, frames: Sequence[tuple[Waiter, str]]) -> list[Waiter]:
        """Send one frame for each request, however often it was parked."""
        until_ms = self._now_ms() + KEPT_MS
        deliveries = {
            (waiter.connection_id, waiter.request_id): Delivery(waiter.connection_id, frame, until_ms)
            for waiter, frame in frames
        }
        left = {id(delivery) for delivery in await self._deliverer.deliver(list(deliveries.values()))}
        sent = {request for request, delivery in deliveries.items() if id(delivery) not in left}
        return [waiter for waiter, _ in frames if (waiter.connection_id, waiter.request_id) in sent]


def suits(waiter: Waiter, result: Result) -> bool:
    """Say whether a result is as new as the waiter asked for."""
    return result.computed_at_ms >= waiter.newer_than_ms


def _split(waiters: Sequence[Waiter]) -> tuple[list[Waiter], list[Waiter]]:
    """Return those on connections and those with a record."""
    return [each for each in waiters if not each.tenant], [each for each in waiters if each.tenant]


def _chunks(waiters: Sequence[Waiter]) -> Iterator[Sequence[Waiter]]:
    for start in range(0, len(waiters), _ANSWERS_AT_A_TIME):
        yield waiters[start : start + _ANSWERS_AT_A_TIME]
