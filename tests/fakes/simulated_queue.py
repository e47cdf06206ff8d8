"""A standard SQS queue on the running event loop's time: delays, visibility, receive counts, dead letters."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from push.errors import QueueUnavailableError

VISIBILITY_SECONDS = 180.0
MAX_RECEIVES = 6


@dataclass
class Queued:
    """A message in the queue."""

    message_id: str
    body: str
    visible_at: float
    receive_count: int = 0


class SimulatedQueue:
    """Order is anybody's guess, and `duplicate` delivers a message twice: SQS promises neither order nor once."""

    def __init__(self, rng: random.Random, dead_letters: SimulatedQueue | None = None) -> None:
        self._rng = rng
        self._dead_letters = dead_letters
        self._numbers = itertools.count(1)
        self._changed = asyncio.Event()
        self.messages: dict[str, Queued] = {}
        self.is_down = False

    def send(self, body: str, delay_seconds: float = 0.0) -> None:
        if self.is_down:
            raise QueueUnavailableError("SQS is down.")
        message_id = f"message {next(self._numbers)}"
        visible_at = now() + delay_seconds + self._rng.random() * 0.1
        self.messages[message_id] = Queued(message_id, body, visible_at)
        self._changed.set()

    def duplicate(self) -> None:
        """Deliver a message a second time, whether or not somebody works on it."""
        if self.messages:
            self.send(self._rng.choice(list(self.messages.values())).body)

    def hide(self, message_id: str, seconds: float) -> None:
        if self.is_down:
            raise QueueUnavailableError("SQS is down.")
        if message_id in self.messages:
            self.messages[message_id].visible_at = now() + seconds
            self._changed.set()

    def end_batch(self, batch: Sequence[Queued], failed: Collection[str]) -> None:
        """Delete what succeeded, as Lambda does by a batch's partial failures."""
        for each in batch:
            if each.message_id not in failed:
                self.messages.pop(each.message_id, None)

    async def deliver_to(self, work: Callable[[list[Queued]], None]) -> None:
        """Hand out batches as messages become visible, for ever."""
        while True:
            if batch := self._receive():
                work(batch)
                continue
            self._changed.clear()
            next_at = min((each.visible_at for each in self.messages.values()), default=None)
            seconds = None if next_at is None else max(0.001, next_at - now())
            try:
                await asyncio.wait_for(self._changed.wait(), seconds)
            except TimeoutError:
                continue

    def _receive(self) -> list[Queued]:
        visible = [each for each in self.messages.values() if each.visible_at <= now()]
        self._rng.shuffle(visible)
        return [each for each in visible[: self._rng.randint(1, 10)] if self._hand_out(each)]

    def _hand_out(self, message: Queued) -> bool:
        if message.receive_count == MAX_RECEIVES:
            del self.messages[message.message_id]
            if self._dead_letters is not None:
                self._dead_letters.send(message.body)
            return False
        message.receive_count += 1
        message.visible_at = now() + VISIBILITY_SECONDS
        return True


def now() -> float:
    """Return the running loop's time in seconds."""
    return asyncio.get_running_loop().time()
