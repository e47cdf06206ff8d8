"""Calls end once: by their function or by their deadline."""

from __future__ import annotations

from collections.abc import Callable

from local.functions.invocation import Invocation, Outcome
from local.gateway.api import FunctionIntegration
from local.gateway.integration_calls import INTEGRATION_TIMED_OUT, IntegrationCalls

ANSWER = Invocation(Outcome.RETURNED, b"{}")


class Held:
    """A function service that answers when the test does."""

    def __init__(self) -> None:
        self.calls: list[Callable[[Invocation], None]] = []

    def invoke(self, function: str, event: bytes, on_end: Callable[[Invocation], None]) -> None:
        self.calls.append(on_end)


def test_a_call_ends_by_its_function():
    functions, ends, times = Held(), [], [0.0]
    calls = IntegrationCalls(functions, lambda: times[0])
    calls.invoke(FunctionIntegration("f", 10.0), b"{}", ends.append)
    functions.calls[0](ANSWER)
    times[0] = 11.0
    calls.sweep()
    assert ends == [ANSWER]
    assert calls.in_flight == 0


def test_a_call_ends_by_its_deadline_and_a_late_answer_is_not_heard():
    functions, ends, times = Held(), [], [0.0]
    calls = IntegrationCalls(functions, lambda: times[0])
    calls.invoke(FunctionIntegration("f", 10.0), b"{}", ends.append)
    times[0] = 9.9
    calls.sweep()
    assert not ends
    times[0] = 10.0
    calls.sweep()
    functions.calls[0](ANSWER)
    assert len(ends) == 1
    assert ends[0] is INTEGRATION_TIMED_OUT


def test_each_integration_has_its_own_deadline():
    functions, ends, times = Held(), [], [0.0]
    calls = IntegrationCalls(functions, lambda: times[0])
    for name, timeout in (("long", 29.0), ("short", 1.0), ("long too", 29.0)):
        calls.invoke(FunctionIntegration("f", timeout), b"{}", lambda _, name=name: ends.append(name))
    times[0] = 2.0
    calls.sweep()
    assert ends == ["short"]
    assert calls.in_flight == 2
    times[0] = 30.0
    calls.sweep()
    assert ends == ["short", "long", "long too"]


def test_a_call_may_begin_another_when_its_deadline_comes():
    functions, times = Held(), [0.0]
    calls = IntegrationCalls(functions, lambda: times[0])
    integration = FunctionIntegration("f", 1.0)
    calls.invoke(integration, b"{}", lambda _: calls.invoke(integration, b"{}", lambda _: None))
    times[0] = 1.0
    calls.sweep()
    assert calls.in_flight == 1
