"""Jobs of the fan-out queue: nudges, catch-ups, presence and farewells."""

from __future__ import annotations

import msgspec

from push.errors import ErrorCode, RequestError


class Nudge(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="nudge"):
    """Tells that a topic's history may have new messages; without a shard, for all shards.

    `topic` is the name in a store. A nudge holds no message: the worker pushes everything past the shard's cursor. So a
    nudge that arrives twice, or late, does no harm.
    """

    topic: str
    shard: int | None = None


class CatchUp(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="catch_up"):
    """Asks a worker to push a lagging connection the messages that it lacks; `attempt` counts from 1."""

    topic: str
    connection_id: str
    attempt: int = 1


class PresenceLook(msgspec.Struct, frozen=True, tag_field="kind", tag="presence"):
    """Tells that subscribers joined or left a topic; one presence message reports all changes of a moment."""

    topic: str


class Farewell(msgspec.Struct, frozen=True, tag_field="kind", tag="farewell"):
    """Warns a connection at `at_ms` that it closes at `closes_at_ms`; requeued until it is due."""

    connection_id: str
    at_ms: int
    closes_at_ms: int


FanOutJob = Nudge | CatchUp | PresenceLook | Farewell


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[FanOutJob] = msgspec.json.Decoder(FanOutJob)


def serialize_fan_out_job(job: FanOutJob) -> str:
    """Serialize a job as the body of a queue message."""
    return _encoder.encode(job).decode()


def parse_fan_out_job(body: str) -> FanOutJob:
    """Parse the body of a queue message.

    Raises:
        RequestError: it is not a job of this version.

    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise RequestError(f"A queue message is not a fan-out job: {exc}.", code=ErrorCode.INVALID_MESSAGE) from exc
