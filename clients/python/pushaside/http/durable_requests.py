"""Durable requests as values: the deliveries of their results, and their states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pushaside.errors import PushasideError
from pushaside.protocol.messages import Result


@dataclass(frozen=True, slots=True)
class Poll:
    """The service stores the result, and the caller polls for it."""

    def to_wire(self) -> dict[str, object]:
        """Return the form of the wire."""
        return {"poll": True}


@dataclass(frozen=True, slots=True)
class Webhook:
    """The service posts the result to a URL, signed as Standard Webhooks defines."""

    url: str

    def to_wire(self) -> dict[str, object]:
        """Return the form of the wire."""
        return {"webhook": self.url}


@dataclass(frozen=True, slots=True)
class Sns:
    """The service publishes the result to the SNS topic with this ARN."""

    arn: str

    def to_wire(self) -> dict[str, object]:
        """Return the form of the wire."""
        return {"sns": self.arn}


Deliver = Poll | Webhook | Sns


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request that the service does not lose: its id, and its status (pending, done or failed)."""

    id: str
    status: str


@dataclass(frozen=True, slots=True)
class RequestState:
    """The state of a request.

    `outcome` is None while it is pending. `delivery` is the service's report on the delivery. `retry_after` is the
    number of seconds to wait before the next poll, or None.
    """

    id: str
    status: str
    outcome: Result | PushasideError | None
    delivery: Mapping[str, Any] = field(default_factory=dict)
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """The data of a result as HTTP caches store it; `age` is in seconds.

    `tags` name what the result depends on, or are None if the deployment does not tell.
    """

    # Only the caller knows the shape of the compute's JSON.
    data: Any
    etag: str
    age: float
    tags: tuple[str, ...] | None = None
