"""How those who wait on a key are told: with the result or with an error, and then taken off the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from push.cache.jobs import LEASE_TERM_MS, Waiter
from push.cache.ports import Leases
from push.delivery.deliveries import KEPT_MS, Delivery
from push.delivery.delivering import Deliverer
from push.delivery.ports import AnswerRecorder
from push.delivery.waiter_frames import WaiterFrames
from push.errors import PushasideError
from push.keys import Key
from push.protocol.frames import CacheState, render_error
from push.protocol.payloads import LINK_FROM_BYTES
from push.results import Result

_ANSWERS_AT_A_TIME = 500
_BYTES_AT_A_TIME = 64 * 1024 * 1024
"""Bound what the frames of a large answer to many waiters take in memory."""


class WaiterAnswers:
    """Answers waiters for one execution environment; who was answered is settled, so nobody is twice without need.

    Args:
        leases: where waiters are parked.
        frames: writes their answers.
        deliverer: brings frames to connections.
        recorder: settles durable requests.
        now_ms: the clock, in milliseconds since 1970.

    """

    def __init__(
        self,
        *,
        leases: Leases,
        frames: WaiterFrames,
        deliverer: Deliverer,
        recorder: AnswerRecorder,
        now_ms: Callable[[], int],
    ) -> None:
        self._leases = leases
        self._frames = frames
        self._deliverer = deliverer
        self._recorder = recorder
        self._now_ms = now_ms

    async def answer(
        self, key: Key, token: str, waiters: Sequence[Waiter], result: Result, state: CacheState = CacheState.MISS
    ) -> None:
        """Answer parked waiters with a result, keeping the lease held under `token` alive meanwhile.

        Raises:
            CacheUnavailableError: some were answered and are still parked, so they may be answered again.

        """
        at_a_time = _answers_at_a_time(result)
        for some in _parts(waiters, at_a_time):
            await self._leases.settle(key, await self.send_result(key, some, result, state))
            if len(waiters) > at_a_time:
                # A now of 0 lets nobody expire: those who are being answered are still parked.
                await self._leases.renew(key, token, LEASE_TERM_MS, 0)

    async def refuse(self, key: Key, waiters: Sequence[Waiter], error: PushasideError) -> None:
        """Answer parked waiters with an error.

        Raises:
            CacheUnavailableError: some were answered and are still parked, so they may be answered again.

        """
        for some in _parts(waiters, _ANSWERS_AT_A_TIME):
            await self._leases.settle(key, await self.send_error(some, error))

    async def send_result(
        self, key: Key, waiters: Sequence[Waiter], result: Result, state: CacheState = CacheState.MISS
    ) -> list[Waiter]:
        """Send a result without touching the key; return those for whom no more is to be done."""
        connected, recorded = _split(waiters)
        if recorded:
            await self._recorder.record_result(key, recorded, result, state)
        frames = await self._frames.render(key, connected, result, state, self._now_ms())
        return [*recorded, *await self._send(connected, frames)]

    async def send_error(self, waiters: Sequence[Waiter], error: PushasideError) -> list[Waiter]:
        """Send an error without touching the key; return those for whom no more is to be done."""
        connected, recorded = _split(waiters)
        if recorded:
            await self._recorder.record_error(recorded, error)
        frames = [[render_error(each.request_id, error)] for each in connected]
        return [*recorded, *await self._send(connected, frames)]

    async def _send(self, waiters: Sequence[Waiter], frames: Sequence[Sequence[str]]) -> list[Waiter]:
        """Send one answer for each request, however often it was parked; it is sent if all of its frames are."""
        until_ms = self._now_ms() + KEPT_MS
        answers = {
            _request_of(waiter): [Delivery(waiter.connection_id, frame, until_ms) for frame in of_waiter]
            for waiter, of_waiter in zip(waiters, frames, strict=True)
        }
        deliveries = [delivery for answer in answers.values() for delivery in answer]
        left = {id(delivery) for delivery in await self._deliverer.deliver(deliveries)}
        sent = {request for request, answer in answers.items() if left.isdisjoint(map(id, answer))}
        return [waiter for waiter in waiters if _request_of(waiter) in sent]


def suits(waiter: Waiter, result: Result) -> bool:
    """Say whether a result is as new as the waiter asked for.

    Subscribers who wait for what a change made are not told of what was outdated before it was stored: two clocks may
    differ by more than lies between that and the change. Those who wait for nothing newer are: older values they may
    skip, but need not.
    """
    if waiter.is_live and waiter.newer_than_ms and result.is_invalidated:
        return False
    return result.computed_at_ms >= waiter.newer_than_ms


def _split(waiters: Sequence[Waiter]) -> tuple[list[Waiter], list[Waiter]]:
    """Return those on connections and those with a record."""
    return [each for each in waiters if not each.tenant], [each for each in waiters if each.tenant]


def _request_of(waiter: Waiter) -> tuple[str, str]:
    return waiter.connection_id, waiter.request_id


def _answers_at_a_time(result: Result) -> int:
    if len(result.data) >= LINK_FROM_BYTES:
        # Each is one message.
        return _ANSWERS_AT_A_TIME
    return min(_ANSWERS_AT_A_TIME, _BYTES_AT_A_TIME // (len(result.data) + 1))


def _parts(waiters: Sequence[Waiter], at_a_time: int) -> Iterator[Sequence[Waiter]]:
    for start in range(0, len(waiters), at_a_time):
        yield waiters[start : start + at_a_time]
