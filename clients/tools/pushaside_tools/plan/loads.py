"""A load on a deployment, and the rates inside the deployment that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pushaside_tools.plan.billing import (
    ENVELOPE_BYTES,
    LINK_BYTES,
    LINK_MESSAGE_BYTES,
    MESSAGE_BYTES,
    SUBSCRIBED_PING_SECONDS,
    UNIT_BYTES,
    pings_per_second,
    units_of,
)
from pushaside_tools.plan.quotas import CONNECTION_SECONDS

_CHUNK_DATA_BYTES = UNIT_BYTES - 512
"""The bytes of data in a frame, without a chunk's own fields."""


@dataclass(frozen=True, slots=True)
class Load:
    """The load of all clients. Rates apply while there is traffic, which is `hours_per_day`.

    `connections` are open at once. `result_bytes` is the size of an answer's data as sent, and `cached_bytes` as
    stored. Each update goes to all `subscribers`; `pushes_per_second` are other messages to clients.
    `callers_per_miss` callers wait for the same compute, which reads `reads_per_compute` objects from S3. With
    `nat_gateway` computes reach IPv4 APIs through one.
    """

    requests_per_second: float
    connections: int
    hit_ratio: float = 0.95
    result_bytes: int = 500
    cached_bytes: int = 500
    cached_results: int = 0
    compute_ms: float = 50.0
    callers_per_miss: float = 1.0
    reads_per_compute: float = 1.0
    subscribers: int = 0
    updates_per_second: float = 0.0
    update_bytes: int = 500
    pushes_per_second: float = 0.0
    hours_per_day: float = 24.0
    nat_gateway: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a delivery: messages, their billed units and bytes, and the bytes fetched if it is a link."""

    messages: int
    units: int
    size_bytes: float
    fetched_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """Rates a second inside a deployment. `pushes` are all calls of @connections, `form` is the form of an answer."""

    hits: float
    misses: float
    computes: float
    pushes: float
    queued_pushes: float
    pings: float
    connects: float
    inbound: float
    form: Form
    update: Form


def form_of(data_bytes: int) -> Form:
    """Return the form of a result by the size of its data.

    >>> form_of(500)
    Form(messages=1, units=1, size_bytes=681, fetched_bytes=None)
    >>> form_of(200_000).messages, form_of(1_000_000).fetched_bytes
    (7, 1000000)
    """
    size = data_bytes + ENVELOPE_BYTES
    if size <= MESSAGE_BYTES:
        return Form(1, units_of(size), size)
    if data_bytes >= LINK_BYTES:
        return Form(1, 1, LINK_MESSAGE_BYTES, data_bytes)
    chunks = math.ceil(data_bytes / _CHUNK_DATA_BYTES)
    return Form(chunks, chunks, size + chunks * ENVELOPE_BYTES)


def flow_of(load: Load) -> Flow:
    """Return the rates of a load."""
    form, update = form_of(load.result_bytes), form_of(load.update_bytes)
    hits = load.requests_per_second * load.hit_ratio
    misses = load.requests_per_second - hits
    # A hit is the response of the route, unless it takes more than one message.
    chunked_hits = hits * form.messages if form.messages > 1 else 0.0
    fanned_out = load.updates_per_second * load.subscribers * update.messages + load.pushes_per_second
    heard = load.requests_per_second * 2 + load.updates_per_second * load.subscribers + load.pushes_per_second
    between = load.connections / heard if heard else math.inf
    subscribers = min(load.subscribers, load.connections)
    pings = pings_per_second(load.connections - subscribers, between)
    pings += pings_per_second(subscribers, between, SUBSCRIBED_PING_SECONDS)
    return Flow(
        hits=hits,
        misses=misses,
        computes=misses / load.callers_per_miss,
        pushes=misses * form.messages + chunked_hits + fanned_out,
        queued_pushes=chunked_hits,
        pings=pings,
        connects=load.connections / CONNECTION_SECONDS,
        inbound=load.requests_per_second + load.updates_per_second + pings,
        form=form,
        update=update,
    )
