"""The AWS list prices of a plan, the same figures as in docs/cost.md."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

REGION = "us-east-1"
AS_OF = "2026-09"
"""The month in which the pages below were read."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for `per` units, and the AWS page with the price.

    `dollars` is the price of the first units of a month. Each tier has the number of units after which it begins, and
    its price.
    """

    dollars: float
    per: float
    unit: str
    page: str
    tiers: tuple[tuple[float, float], ...] = ()

    def of(self, quantity: float) -> float:
        """Return the dollars for a month's quantity of units.

        >>> round(MESSAGES.of(2e9))
        1800
        """
        steps = [(0.0, self.dollars), *self.tiers]
        ends = [later for (_, (later, _)) in pairwise(steps)] + [float("inf")]
        parts = [max(0.0, min(quantity, end) - begin) * each for (begin, each), end in zip(steps, ends, strict=True)]
        return sum(parts) / self.per


MILLION = 1e6
GIGABYTE = 1e9

_GATEWAY = "Amazon API Gateway pricing, WebSocket APIs"
_LAMBDA = "AWS Lambda pricing, Arm"
_CACHE = "Amazon ElastiCache pricing, Serverless for Valkey"
_WATCH = "Amazon CloudWatch pricing"

MESSAGES = Price(1.00, MILLION, "messages of 32 KB", _GATEWAY, ((1e9, 0.80),))
CONNECTION_MINUTES = Price(0.25, MILLION, "connection minutes", _GATEWAY)
INVOCATIONS = Price(0.20, MILLION, "invocations", _LAMBDA)
GIGABYTE_SECONDS = Price(0.0000133334, 1, "GB-seconds", _LAMBDA)
QUEUE_CALLS = Price(0.40, MILLION, "calls of 64 KB", "Amazon SQS pricing, Standard")
CACHE_UNITS = Price(0.0023, MILLION, "ECPU (1 KB read or written)", _CACHE)
CACHE_GIGABYTE_HOURS = Price(0.084, 1, "GB-hours", _CACHE)
WRITE_UNITS = Price(0.625, MILLION, "write units of 1 KB", "Amazon DynamoDB pricing, On-demand")
READ_UNITS = Price(0.125, MILLION, "read units of 4 KB", "Amazon DynamoDB pricing, On-demand")
OBJECT_READS = Price(0.40, MILLION, "GET requests", "Amazon S3 pricing, S3 Standard")
EGRESS = Price(
    0.09,
    GIGABYTE,
    "bytes out of AWS",
    "Amazon EC2 On-Demand pricing, Data Transfer Out",
    ((10e12, 0.085), (50e12, 0.07), (150e12, 0.05)),
)
LOG_BYTES = Price(0.50, GIGABYTE, "bytes of log", _WATCH)
TRACES = Price(5.00, MILLION, "traces", "AWS X-Ray pricing")
ENDPOINT_HOURS = Price(0.01, 1, "zone-hours of an endpoint", "AWS PrivateLink pricing")
NAT_HOURS = Price(0.045, 1, "hours of a NAT gateway", "Amazon VPC pricing, NAT gateway")
ADDRESS_HOURS = Price(0.005, 1, "hours of a public IPv4 address", "Amazon VPC pricing, Public IPv4 addresses")
ALARMS = Price(0.10, 1, "alarms", _WATCH)
SECRETS = Price(0.40, 1, "secrets", "AWS Secrets Manager pricing")
