"""Deliveries: frames on their way to a connection, and what the delivery queue carries of those to be tried again."""

from __future__ import annotations

from typing import Self

import msgspec

from push.errors import ErrorCode, RequestError
from push.queues.escaping import escape_for_sqs

KEPT_MS = 10 * 60 * 1000
"""How long a delivery is tried: a connection idle for longer is closed by API Gateway."""


class Delivery(msgspec.Struct, frozen=True):
    """One frame for one connection; `attempt` counts from 1, and none is made after `until_ms`."""

    connection_id: str
    frame: str
    until_ms: int
    attempt: int = 1

    def again(self) -> Self:
        """Return the next attempt."""
        return msgspec.structs.replace(self, attempt=self.attempt + 1)


_decoder = msgspec.json.Decoder(Delivery)
_encoder = msgspec.json.Encoder()


def serialize_delivery(delivery: Delivery) -> str:
    """Write a delivery as a queue message's body."""
    return escape_for_sqs(_encoder.encode(delivery).decode())


def parse_delivery(body: str) -> Delivery:
    """Read a queue message's body.

    Raises:
        RequestError: it is not a delivery of this version.

    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise RequestError(f"A queue message is not a delivery: {exc}.", code=ErrorCode.INVALID_MESSAGE) from exc
