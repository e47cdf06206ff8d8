"""Durable requests: where their results can go, and what can have become of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pushaside.errors import PushasideError
from pushaside.protocol.messages import Result


@dataclass(frozen=True, slots=True)
class Poll:
    """The result stays with the service, to be asked for."""

    def to_wire(self) -> dict[str, object]:
        """Write it as the service reads it."""
        return {"poll": True}


@dataclass(frozen=True, slots=True)
class Webhook:
    """The result is posted to a URL, signed as Standard Webhooks says."""

    url: str

    def to_wire(self) -> dict[str, object]:
        """Write it as the service reads it."""
        return {"webhook": self.url}


@dataclass(frozen=True, slots=True)
class Sns:
    """The result is published to the SNS topic of this ARN."""

    arn: str

    def to_wire(self) -> dict[str, object]:
        """Write it as the service reads it."""
        return {"sns": self.arn}


Deliver = Poll | Webhook | Sns


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request that the service will not lose: its id, and what has become of it (pending, done or failed)."""

    id: str
    status: str


@dataclass(frozen=True, slots=True)
class RequestState:
    """What has become of a request.

    `outcome` is None while it is pending; `delivery` is how handing it over went, as the service tells it;
    `retry_after` is how many seconds a pending one asks to be left alone, or None if it did not say.
    """

    id: str
    status: str
    outcome: Result | PushasideError | None
    delivery: Mapping[str, Any] = field(default_factory=dict)
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """The data of a result by itself, as caches on the way keep it; `age` is in seconds."""

    # JSON of the compute's making: the caller alone knows its shape.
    data: Any
    etag: str
    age: float
