"""A deployment plan: a load checked against quotas and template parameters, with its costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from pushaside_tools.plan import quotas
from pushaside_tools.plan.costs import Cost, cache_gigabytes, cache_units, costs_of, read_units, write_units
from pushaside_tools.plan.functions import FunctionNeed, functions_for
from pushaside_tools.plan.loads import Flow, Load, flow_of
from pushaside_tools.plan.quotas import Quota

HEADROOM = 1.5
"""The factor by which requested quotas exceed the need: load is uneven, and a full quota throttles."""
_NEAR = 0.8


class Verdict(Enum):
    """The relation of a need to a quota."""

    WITHIN = "within"
    NEAR = "near"
    MEETS = "meets"
    EXCEEDS = "exceeds"


@dataclass(frozen=True, slots=True)
class Check:
    """A need compared with a quota."""

    quota: Quota
    needed: float

    @property
    def share(self) -> float:
        """The share of the quota that is needed; 1 is all of it."""
        return self.needed / self.quota.limit

    @property
    def verdict(self) -> Verdict:
        """The relation of the need to the quota."""
        # Rates are sums of fractions, and equal ones differ in the last digits.
        if math.isclose(self.share, 1.0, rel_tol=1e-9):
            return Verdict.MEETS
        if self.share > 1:
            return Verdict.EXCEEDS
        return Verdict.NEAR if self.share >= _NEAR else Verdict.WITHIN

    @property
    def ask_for(self) -> int | None:
        """The value to request or to set; None if the quota leaves room."""
        return None if self.verdict is Verdict.WITHIN else with_headroom(self.needed)


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """The needs and costs of a deployment for a load."""

    load: Load
    flow: Flow
    functions: list[FunctionNeed]
    quotas: list[Check]
    parameters: list[Check]
    costs: list[Cost]
    seconds_to_connect: float

    @property
    def dollars_per_month(self) -> float:
        """The sum of the bill."""
        return sum(cost.dollars for cost in self.costs)

    @property
    def concurrency(self) -> float:
        """The busy environments of all functions together."""
        return sum(need.concurrency for need in self.functions)

    @property
    def seconds_until_computing(self) -> float:
        """The seconds until Lambda reads the compute queue with as many environments as the load needs."""
        needed = next((need.concurrency for need in self.functions if need.name == "compute"), 0.0)
        return max(0.0, needed - quotas.FIRST_BATCHES) / quotas.BATCHES_PER_MINUTE * 60


def make_plan(load: Load) -> DeploymentPlan:
    """Return the plan of a load."""
    flow = flow_of(load)
    functions = functions_for(load, flow)
    return DeploymentPlan(
        load=load,
        flow=flow,
        functions=functions,
        quotas=list(_check_quotas(load, flow, functions)),
        parameters=list(_check_parameters(load, flow, functions)),
        costs=costs_of(load, flow, functions),
        seconds_to_connect=load.connections / quotas.NEW_CONNECTIONS.limit,
    )


def with_headroom(needed: float) -> int:
    """Return the quota to request for a need, rounded up to two digits.

    >>> with_headroom(10_500), with_headroom(33), with_headroom(1)
    (16000, 50, 2)
    """
    wanted = math.ceil(needed * HEADROOM)
    step: int = 10 ** max(0, len(str(wanted)) - 2)
    return math.ceil(wanted / step) * step


def _check_quotas(load: Load, flow: Flow, functions: list[FunctionNeed]) -> Iterator[Check]:
    concurrency = {need.name: need.concurrency for need in functions}
    computing = concurrency.get("compute", 0.0)
    cached = sum(each for name, each in concurrency.items() if name not in {"authorizer", "connect"})
    yield Check(quotas.NEW_CONNECTIONS, flow.connects)
    yield Check(quotas.MESSAGE_RATE, flow.inbound + flow.pushes)
    yield Check(quotas.MESSAGE_BURST, load.subscribers if load.updates_per_second else 0)
    yield Check(quotas.CONCURRENCY, sum(concurrency.values()))
    yield Check(quotas.INVOCATION_RATE, sum(need.invocations for need in functions))
    yield Check(quotas.SCALE_UP, max(concurrency.values(), default=0.0))
    yield Check(quotas.QUEUE_CONCURRENCY, computing)
    yield Check(quotas.IN_FLIGHT, computing)
    yield Check(quotas.CACHE_CLIENTS, cached)
    yield Check(quotas.TABLE_WRITES, write_units(load, flow))
    yield Check(quotas.TABLE_READS, read_units(load))
    yield Check(quotas.OBJECT_READS, flow.computes * load.reads_per_compute)


def _check_parameters(load: Load, flow: Flow, functions: list[FunctionNeed]) -> Iterator[Check]:
    concurrency = {need.name: need.concurrency for need in functions}
    yield Check(quotas.ROUTE_RATE, max(load.requests_per_second, load.updates_per_second, flow.pings))
    yield Check(quotas.COMPUTE_CONCURRENCY, concurrency.get("compute", 0.0))
    yield Check(quotas.DELIVERY_CONCURRENCY, max(concurrency.get("notify", 0.0), concurrency.get("fan-out", 0.0)))
    yield Check(quotas.CACHE_UNITS, cache_units(load, flow))
    yield Check(quotas.CACHE_GIGABYTES, cache_gigabytes(load))
