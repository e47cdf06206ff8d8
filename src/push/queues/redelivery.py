"""When those of a batch's messages are seen again that failed.

A queue hides what it has handed out for several times as long as a worker may take, which is right for one that died.
Who is alive, and only met something that did not answer, gives its messages back sooner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from push.backoff import backoff_seconds
from push.queues.ports import RedeliveryTimes


class Redelivery:
    """Has failed messages come back after a backoff, for one execution environment.

    Args:
        times: the queue's own.
        random: in [0, 1), spreads them.

    """

    def __init__(self, times: RedeliveryTimes, random: Callable[[], float]) -> None:
        self._times = times
        self._random = random

    def back_off(self, records: Sequence[Mapping[str, Any]], failed: Collection[str]) -> None:
        """Have messages come back the later the oftener they have come.

        Args:
            records: a batch, as Lambda hands it to its function.
            failed: the ids of its messages that are to come back.

        """
        again = [record for record in records if record["messageId"] in failed]
        self.hide({each["receiptHandle"]: self.seconds(_receive_count(each)) for each in again})

    def seconds(self, receive_count: int) -> int:
        """Return how long a message is to stay away that has come so many times."""
        return math.ceil(backoff_seconds(receive_count, self._random()))

    def hide(self, seconds_by_receipt: Mapping[str, int]) -> None:
        """Have messages come back after so many seconds."""
        if seconds_by_receipt:
            self._times.hide(seconds_by_receipt)


def _receive_count(record: Mapping[str, Any]) -> int:
    return int(record["attributes"]["ApproximateReceiveCount"])
