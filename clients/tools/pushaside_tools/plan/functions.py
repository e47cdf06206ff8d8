"""The environments that each function needs. Durations are assumptions; measure a deployment to replace them."""

from __future__ import annotations

from dataclasses import dataclass

from pushaside_tools.plan.billing import BATCH
from pushaside_tools.plan.loads import Flow, Load
from pushaside_tools.plan.quotas import SCALE_UP

REQUEST_MS = 5.0
"""The duration of a hit, as in docs/cost.md."""
CONNECT_MS = 10.0
"""The duration of the authorizer, of a connect and of a disconnect."""
NOTIFY_MS = 50.0
FAN_OUT_MS = 50.0
PUSHES_PER_BATCH = 50
"""The pushes of one invocation of fan-out: a thousand a second from one environment."""
SUBSCRIPTION_SHARDS = 4
"""The partitions of a topic's subscribers. Each has an invocation of its own."""


@dataclass(frozen=True, slots=True)
class FunctionNeed:
    """The work of a function: invocations a second, and the duration and memory of each."""

    name: str
    invocations: float
    milliseconds: float
    memory_megabytes: int

    @property
    def concurrency(self) -> float:
        """The environments that are busy at once, by Little's law."""
        return self.invocations * self.milliseconds / 1000

    @property
    def seconds_to_scale(self) -> float:
        """The seconds that Lambda takes to scale up from none."""
        return max(self.concurrency / SCALE_UP.limit, self.invocations / 10_000) * 10


def functions_for(load: Load, flow: Flow) -> list[FunctionNeed]:
    """Return the work of each function, without idle ones."""
    fanned_out = flow.pushes - flow.misses * flow.form.messages - flow.queued_pushes
    runs = max(fanned_out / PUSHES_PER_BATCH, load.updates_per_second * min(SUBSCRIPTION_SHARDS, load.subscribers))
    needs = [
        FunctionNeed("authorizer", flow.connects, CONNECT_MS, 256),
        FunctionNeed("connect", flow.connects * 2, CONNECT_MS, 256),
        FunctionNeed("request", load.requests_per_second + load.updates_per_second, REQUEST_MS, 512),
        FunctionNeed("compute", flow.computes, load.compute_ms, 1024),
        FunctionNeed("notify", flow.queued_pushes / BATCH, NOTIFY_MS, 512),
        FunctionNeed("fan-out", runs, FAN_OUT_MS, 1024),
    ]
    return [need for need in needs if need.invocations > 0]
