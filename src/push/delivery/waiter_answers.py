"""Answers to the waiters of a key: a result or an error, after which they are settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

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
"""Bounds the memory of the frames of a large answer to many waiters."""


class WaiterAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """Answers waiters for one execution environment, and settles each answered waiter so that it is answered once.

    Args:
        leases: holds the parked waiters.
        frames: renders their answers.
        deliverer: pushes frames to connections.
        recorder: settles durable requests.
        now_ms: the clock, in milliseconds since 1970.

    """

    leases: Leases
    frames: WaiterFrames
    deliverer: Deliverer
    recorder: AnswerRecorder
    now_ms: Callable[[], int]

    async def answer(
        self, key: Key, token: str, waiters: Sequence[Waiter], result: Result, state: CacheState = CacheState.MISS
    ) -> None:
        """Answer parked waiters with a result, and renew the lease held under `token` meanwhile.

        Raises:
            CacheUnavailableError: some answered waiters are still parked, so they may be answered again.

        """
        at_a_time = _answers_at_a_time(result)
        for some in _parts(waiters, at_a_time):
            await self.leases.settle(key, await self.send_result(key, some, result, state))
            if len(waiters) > at_a_time:
                # With a time of 0 no waiter expires: the waiters being answered are still parked.
                await self.leases.renew(key, token, LEASE_TERM_MS, 0)

    async def refuse(self, key: Key, waiters: Sequence[Waiter], error: PushasideError) -> None:
        """Answer parked waiters with an error.

        Raises:
            CacheUnavailableError: some answered waiters are still parked, so they may be answered again.

        """
        for some in _parts(waiters, _ANSWERS_AT_A_TIME):
            await self.leases.settle(key, await self.send_error(some, error))

    async def send_result(
        self, key: Key, waiters: Sequence[Waiter], result: Result, state: CacheState = CacheState.MISS
    ) -> list[Waiter]:
        """Send a result without settling waiters; return the waiters that need no further answer."""
        connected, recorded = _split(waiters)
        if recorded:
            await self.recorder.record_result(key, recorded, result, state)
        frames = await self.frames.render(key, connected, result, state, self.now_ms())
        return [*recorded, *await self._send(connected, frames)]

    async def send_error(self, waiters: Sequence[Waiter], error: PushasideError) -> list[Waiter]:
        """Send an error without settling waiters; return the waiters that need no further answer."""
        connected, recorded = _split(waiters)
        if recorded:
            await self.recorder.record_error(recorded, error)
        frames = [[render_error(each.request_id, error)] for each in connected]
        return [*recorded, *await self._send(connected, frames)]

    async def _send(self, waiters: Sequence[Waiter], frames: Sequence[Sequence[str]]) -> list[Waiter]:
        """Send one answer per request, even if it was parked twice; return the waiters whose frames all went out."""
        until_ms = self.now_ms() + KEPT_MS
        answers = {
            _request_of(waiter): [Delivery(waiter.connection_id, frame, until_ms) for frame in of_waiter]
            for waiter, of_waiter in zip(waiters, frames, strict=True)
        }
        deliveries = [delivery for answer in answers.values() for delivery in answer]
        left = {id(delivery) for delivery in await self.deliverer.deliver(deliveries)}
        sent = {request for request, answer in answers.items() if left.isdisjoint(map(id, answer))}
        return [waiter for waiter in waiters if _request_of(waiter) in sent]


def suits(waiter: Waiter, result: Result) -> bool:
    """Return whether a result is as new as the waiter requires.

    Subscribers that wait for the effect of a change do not get a result that was invalidated before it was stored,
    because two clocks may differ by more than the time between the two events. Subscribers without such a requirement
    do get it: they may skip older values, but need not.
    """
    if waiter.is_live and waiter.newer_than_ms and result.is_invalidated:
        return False
    return result.computed_at_ms >= waiter.newer_than_ms


def _split(waiters: Sequence[Waiter]) -> tuple[list[Waiter], list[Waiter]]:
    """Split waiters into those on connections and those with a record."""
    return [each for each in waiters if not each.tenant], [each for each in waiters if each.tenant]


def _request_of(waiter: Waiter) -> tuple[str, str]:
    return waiter.connection_id, waiter.request_id


def _answers_at_a_time(result: Result) -> int:
    if len(result.data) >= LINK_FROM_BYTES:
        # Each answer is one message with a link.
        return _ANSWERS_AT_A_TIME
    return min(_ANSWERS_AT_A_TIME, _BYTES_AT_A_TIME // (len(result.data) + 1))


def _parts(waiters: Sequence[Waiter], at_a_time: int) -> Iterator[Sequence[Waiter]]:
    for start in range(0, len(waiters), at_a_time):
        yield waiters[start : start + at_a_time]
