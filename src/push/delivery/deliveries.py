"""Deliveries: frames for connections, and the messages of the delivery queue that retries them."""

from __future__ import annotations

from typing import Self

import msgspec

from push.errors import ErrorCode, RequestError
from push.queues.escaping import escape_for_sqs

KEPT_MS = 10 * 60 * 1000
"""How long a delivery is retried; API Gateway closes a connection that is idle for longer."""


class Delivery(msgspec.Struct, frozen=True):
    """One frame for one connection; `attempt` counts from 1, and no attempt is made after `until_ms`."""

    connection_id: str
    frame: str
    until_ms: int
    attempt: int = 1

    def again(self) -> Self:
        """Return this delivery with the next attempt's number."""
        return msgspec.structs.replace(self, attempt=self.attempt + 1)


_decoder = msgspec.json.Decoder(Delivery)
_encoder = msgspec.json.Encoder()


def serialize_delivery(delivery: Delivery) -> str:
    """Serialize a delivery as the body of a queue message."""
    return escape_for_sqs(_encoder.encode(delivery).decode())


def parse_delivery(body: str) -> Delivery:
    """Parse the body of a queue message.

    Raises:
        RequestError: it is not a delivery of this version.

    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise RequestError(f"A queue message is not a delivery: {exc}.", code=ErrorCode.INVALID_MESSAGE) from exc
