"""How many environments each function needs. Durations are assumptions until a deployment has been measured."""

from __future__ import annotations

from dataclasses import dataclass

from pushaside_tools.plan.billing import BATCH
from pushaside_tools.plan.loads import Flow, Load
from pushaside_tools.plan.quotas import SCALE_UP

REQUEST_MS = 5.0
"""A hit, as docs/cost.md has it."""
CONNECT_MS = 10.0
"""The authorizer, a connect and a disconnect, each."""
NOTIFY_MS = 50.0
FAN_OUT_MS = 50.0
PUSHES_PER_BATCH = 50
"""What one run of fan-out pushes: a thousand a second from one environment."""
SUBSCRIPTION_SHARDS = 4
"""Into so many partitions the subscribers of a topic are split; each is pushed to by a run of its own."""


@dataclass(frozen=True, slots=True)
class FunctionNeed:
    """What a function does: invocations a second, milliseconds and memory of each."""

    name: str
    invocations: float
    milliseconds: float
    memory_megabytes: int

    @property
    def concurrency(self) -> float:
        """Environments that are busy at once: Little's law."""
        return self.invocations * self.milliseconds / 1000

    @property
    def seconds_to_scale(self) -> float:
        """How long Lambda takes to make so many, from none."""
        return max(self.concurrency / SCALE_UP.limit, self.invocations / 10_000) * 10


def functions_for(load: Load, flow: Flow) -> list[FunctionNeed]:
    """Return what each function has to do; those that have nothing to do are left out."""
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
