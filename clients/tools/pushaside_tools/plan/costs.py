"""A month's bill for a load, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pushaside_tools.plan import prices
from pushaside_tools.plan.billing import queued_calls, units_of
from pushaside_tools.plan.functions import SUBSCRIPTION_SHARDS, FunctionNeed
from pushaside_tools.plan.loads import Flow, Load
from pushaside_tools.plan.prices import Price

MONTH_HOURS = 730.0
LEAST_CACHE_GIGABYTES = 0.1
LOG_BYTES_PER_MESSAGE = 1_000
TRACED = 1 / 20
ENDPOINT_ZONES = 2
ALARMS = 25
SECRETS = 3
CACHE_UNITS_PER_MISS = 10
"""An estimate of the scripts that park, lease, fill and release, without the result itself."""
SUBSCRIPTION_BYTES = 150
WRITES_PER_CONNECTION = 2
WRITES_PER_SUBSCRIPTION = 4
"""A row for the topic and one in its index, each written and removed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of a month's bill."""

    service: str
    what: str
    quantity: float
    price: Price

    @property
    def dollars(self) -> float:
        """The dollars of the line."""
        return self.price.of(self.quantity)


def costs_of(load: Load, flow: Flow, functions: list[FunctionNeed]) -> list[Cost]:
    """Return the lines of a month's bill without empty ones."""
    lines = [*_passing(load, flow, functions), *_standing(load)]
    return [line for line in lines if line.quantity > 0]


def billed_messages(load: Load, flow: Flow) -> float:
    """Return the messages a second that API Gateway bills: units of 32 KB, in and out."""
    pongs, published = flow.pings, load.updates_per_second
    accepted = flow.misses
    answers = load.requests_per_second * flow.form.units
    updates = load.updates_per_second * load.subscribers * flow.update.units + load.pushes_per_second
    inbound = load.requests_per_second + flow.pings + load.updates_per_second * units_of(load.update_bytes)
    return inbound + answers + accepted + pongs + published + updates


def bytes_out(load: Load, flow: Flow) -> float:
    """Return the bytes a second that leave AWS, including those that clients fetch from links."""
    fanned_out = load.updates_per_second * load.subscribers + load.pushes_per_second
    answers = load.requests_per_second * (flow.form.size_bytes + (flow.form.fetched_bytes or 0))
    return answers + fanned_out * (flow.update.size_bytes + (flow.update.fetched_bytes or 0))


def cache_units(load: Load, flow: Flow) -> float:
    """Return the ElastiCache units a second: each KB read or written, at least one a call."""
    size = max(1.0, load.cached_bytes / 1000)
    updates = load.updates_per_second * (max(1.0, load.update_bytes / 1000) + CACHE_UNITS_PER_MISS)
    return load.requests_per_second * size + flow.computes * size + flow.misses * CACHE_UNITS_PER_MISS + updates


def cache_gigabytes(load: Load) -> float:
    """Return the billed size of the cache's data, which is at least 100 MB."""
    return max(LEAST_CACHE_GIGABYTES, load.cached_results * load.cached_bytes / 1e9)


def write_units(load: Load, flow: Flow) -> float:
    """Return DynamoDB's write units a second, for clients that reconnect every two hours."""
    share = load.subscribers / load.connections if load.connections else 0.0
    return flow.connects * (WRITES_PER_CONNECTION + share * WRITES_PER_SUBSCRIPTION)


def read_units(load: Load) -> float:
    """Return DynamoDB's read units a second: eventually consistent reads of each update's subscribers."""
    per_update = max(load.subscribers * SUBSCRIPTION_BYTES / 4096, SUBSCRIPTION_SHARDS) / 2
    return load.updates_per_second * per_update if load.subscribers else 0.0


def _passing(load: Load, flow: Flow, functions: list[FunctionNeed]) -> Iterator[Cost]:
    """Yield the lines that depend on traffic."""
    hours = MONTH_HOURS * load.hours_per_day / 24
    seconds = hours * 3600
    jobs = flow.computes * 2
    fan_out = load.updates_per_second * SUBSCRIPTION_SHARDS if load.subscribers else 0.0
    fetched = _fetched(load, flow)
    yield Cost("API Gateway", "messages", billed_messages(load, flow) * seconds, prices.MESSAGES)
    yield Cost("API Gateway", "connections", load.connections * hours * 60, prices.CONNECTION_MINUTES)
    for need in functions:
        yield Cost("Lambda", f"{need.name}: invocations", need.invocations * seconds, prices.INVOCATIONS)
        busy = need.concurrency * seconds * need.memory_megabytes / 1024
        yield Cost("Lambda", f"{need.name}: time", busy, prices.GIGABYTE_SECONDS)
    yield Cost("SQS", "jobs and their guardians", queued_calls(jobs * seconds), prices.QUEUE_CALLS)
    yield Cost("SQS", "chunks of hits", queued_calls(flow.queued_pushes * seconds), prices.QUEUE_CALLS)
    yield Cost("SQS", "fan-out", queued_calls(fan_out * seconds), prices.QUEUE_CALLS)
    yield Cost("ElastiCache", "reads and writes", cache_units(load, flow) * seconds, prices.CACHE_UNITS)
    yield Cost("DynamoDB", "connections, subscriptions", write_units(load, flow) * seconds, prices.WRITE_UNITS)
    yield Cost("DynamoDB", "subscribers of updates", read_units(load) * seconds, prices.READ_UNITS)
    yield Cost(
        "S3", "objects that computes read", flow.computes * load.reads_per_compute * seconds, prices.OBJECT_READS
    )
    yield Cost("S3", "links that clients follow", fetched * seconds, prices.OBJECT_READS)
    yield Cost("Data transfer", "out of AWS", bytes_out(load, flow) * seconds, prices.EGRESS)
    logged = (load.requests_per_second + load.updates_per_second) * seconds
    yield Cost("CloudWatch", "logs", logged * LOG_BYTES_PER_MESSAGE, prices.LOG_BYTES)
    yield Cost("X-Ray", "one message in twenty", logged * TRACED, prices.TRACES)


def _fetched(load: Load, flow: Flow) -> float:
    answers = load.requests_per_second if flow.form.fetched_bytes is not None else 0.0
    updates = load.updates_per_second * load.subscribers if flow.update.fetched_bytes is not None else 0.0
    return answers + updates


def _standing(load: Load) -> Iterator[Cost]:
    """Yield the lines that do not depend on traffic."""
    yield Cost("ElastiCache", "data", cache_gigabytes(load) * MONTH_HOURS, prices.CACHE_GIGABYTE_HOURS)
    yield Cost("VPC", "endpoint of SQS in two zones", ENDPOINT_ZONES * MONTH_HOURS, prices.ENDPOINT_HOURS)
    if load.nat_gateway:
        yield Cost("VPC", "NAT gateway", MONTH_HOURS, prices.NAT_HOURS)
        yield Cost("VPC", "public IPv4 address", MONTH_HOURS, prices.ADDRESS_HOURS)
    yield Cost("CloudWatch", "alarms", ALARMS, prices.ALARMS)
    yield Cost("Secrets Manager", "secrets", SECRETS, prices.SECRETS)
