"""Redelivery of a batch's failed messages after a backoff.

A queue hides received messages for several times as long as a worker may run, which suits a worker that died. A live
worker whose dependency did not answer returns its messages sooner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from push.backoff import backoff_seconds
from push.queues.ports import RedeliveryTimes


class Redelivery:
    """Makes failed messages return after a backoff, for one execution environment.

    Args:
        times: sets when the queue shows messages again.
        random: returns a number in [0, 1); spreads the returns.

    """

    def __init__(self, times: RedeliveryTimes, random: Callable[[], float]) -> None:
        self._times = times
        self._random = random

    def back_off(self, records: Sequence[Mapping[str, Any]], failed: Collection[str]) -> None:
        """Make failed messages return, each later the more often it was received.

        Args:
            records: a batch, as Lambda passes it to its function.
            failed: the ids of the messages that failed.

        """
        again = [record for record in records if record["messageId"] in failed]
        self.hide({each["receiptHandle"]: self.seconds(_receive_count(each)) for each in again})

    def seconds(self, receive_count: int) -> int:
        """Return how long to hide a message that was received `receive_count` times."""
        return math.ceil(backoff_seconds(receive_count, self._random()))

    def hide(self, seconds_by_receipt: Mapping[str, int]) -> None:
        """Hide messages for some seconds each."""
        if seconds_by_receipt:
            self._times.hide(seconds_by_receipt)


def _receive_count(record: Mapping[str, Any]) -> int:
    return int(record["attributes"]["ApproximateReceiveCount"])
