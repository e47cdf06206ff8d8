"""What the fan-out queue carries: nudges to push what is new, and connections that have to catch up."""

from __future__ import annotations

import msgspec

from push.errors import ErrorCode, RequestError


class Nudge(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="nudge"):
    """There may be something new in a topic's history; without a shard, for all of them.

    `topic` is the name in a store. A nudge holds no message: what is past the cursor of a shard is what is to be
    pushed, so that one that comes twice, or late, does no harm.
    """

    topic: str
    shard: int | None = None


class CatchUp(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="catch_up"):
    """A connection lags behind its shard's cursor, and is to be pushed what it lacks; `attempt` counts from 1."""

    topic: str
    connection_id: str
    attempt: int = 1


class PresenceLook(msgspec.Struct, frozen=True, tag_field="kind", tag="presence"):
    """Somebody came to a topic or left it: its subscribers are to be told, all changes of a moment at once."""

    topic: str


class Farewell(msgspec.Struct, frozen=True, tag_field="kind", tag="farewell"):
    """A connection is to be told at a time (ms) that it will be closed at another; on its way from hop to hop."""

    connection_id: str
    at_ms: int
    closes_at_ms: int


FanOutJob = Nudge | CatchUp | PresenceLook | Farewell


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[FanOutJob] = msgspec.json.Decoder(FanOutJob)


def serialize_fan_out_job(job: FanOutJob) -> str:
    """Write a job as a queue message's body."""
    return _encoder.encode(job).decode()


def parse_fan_out_job(body: str) -> FanOutJob:
    """Read a queue message's body.

    Raises:
        RequestError: it is not a job of this version.

    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise RequestError(f"A queue message is no fan-out job: {exc}.", code=ErrorCode.INVALID_MESSAGE) from exc
