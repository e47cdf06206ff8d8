"""The AWS default quotas and template parameters that a plan is checked against.

The sources are the quota pages of each service's developer guide, read in September 2026. Newer regions have less.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """A default limit. `code` is its code in Service Quotas, or empty if it cannot be raised there.

    `parameter` is the name of the template's parameter, if the template sets the limit.
    """

    name: str
    limit: float
    unit: str
    page: str
    service: str = ""
    code: str = ""
    parameter: str = ""


_GATEWAY = "API Gateway Developer Guide, Quotas"
_LAMBDA = "Lambda Developer Guide, Understanding concurrency and Lambda scaling behavior"
_TEMPLATE = "template.yaml"

NEW_CONNECTIONS = Quota(
    "API Gateway: new connections", 500, "connections/s", f"{_GATEWAY} (WebSocket API)", "apigateway", "L-9ED1E49A"
)
MESSAGE_RATE = Quota("API Gateway: requests", 10_000, "requests/s", f"{_GATEWAY} (account)", "apigateway", "L-8A5B8E43")
MESSAGE_BURST = Quota("API Gateway: burst", 5_000, "requests", f"{_GATEWAY} (account)")
CONCURRENCY = Quota("Lambda: concurrency", 1_000, "environments", _LAMBDA, "lambda", "L-B99A9384")
# Ten invocations a second for each unit of the account's concurrency.
INVOCATION_RATE = Quota("Lambda: invocations", 10_000, "invocations/s", _LAMBDA, "lambda", "L-B99A9384")
SCALE_UP = Quota("Lambda: a function in 10 s", 1_000, "environments", _LAMBDA)
QUEUE_CONCURRENCY = Quota("SQS: batches at once", 1_000, "batches", "Lambda Developer Guide, Amazon SQS")
IN_FLIGHT = Quota("SQS: messages in flight", 120_000, "messages", "SQS Developer Guide, Message quotas")
CACHE_CLIENTS = Quota("ElastiCache: clients", 65_000, "connections", "ElastiCache User Guide, Serverless")
TABLE_WRITES = Quota(
    "DynamoDB: writes of a table", 4_000, "write units/s", "DynamoDB Developer Guide, On-demand capacity mode"
)
TABLE_READS = Quota(
    "DynamoDB: reads of a table", 12_000, "read units/s", "DynamoDB Developer Guide, On-demand capacity mode"
)
OBJECT_READS = Quota("S3: reads of a prefix", 5_500, "GET/s", "S3 User Guide, Optimizing performance")

ROUTE_RATE = Quota("of a route", 5_000, "messages/s", _TEMPLATE, parameter="MessagesPerSecond")
COMPUTE_CONCURRENCY = Quota("computes at once", 50, "environments", _TEMPLATE, parameter="ComputeConcurrency")
DELIVERY_CONCURRENCY = Quota("deliveries at once", 20, "environments", _TEMPLATE, parameter="DeliveryConcurrency")
CACHE_UNITS = Quota("the cache's work", 50_000, "ECPU/s", _TEMPLATE, parameter="CacheMaximumEcpu")
CACHE_GIGABYTES = Quota("the cache's data", 5, "GB", _TEMPLATE, parameter="CacheMaximumGigabytes")

FIRST_BATCHES = 5
BATCHES_PER_MINUTE = 300
"""A queue's consumer begins with `FIRST_BATCHES` at once, and gets this many more a minute (Lambda Developer Guide)."""

CONNECTION_SECONDS = 7_200
"""The time after which API Gateway ends a connection, and the client reconnects."""

SMALL_REGIONS = (
    "In newer regions an account has 2,500 requests/s with bursts of 1,250. New accounts may have a Lambda "
    "concurrency of 10."
)
