"""State machines whose rules are counted: `make fuzz` says how many operations each has done."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

DONE: Counter[str] = Counter()
"""The operations since `take_operations`, by the name of their machine."""


class CountedMachine(RuleBasedStateMachine):
    """A state machine that counts the rules that it ran."""

    _has_begun = False

    def check_invariants(self, *arguments: Any, **named: Any) -> None:
        """Count: Hypothesis calls this before the first rule and after each."""
        DONE[type(self).__name__] += self._has_begun
        self._has_begun = True
        super().check_invariants(*arguments, **named)


def take_operations() -> dict[str, int]:
    """Return how many operations were done, and begin to count anew."""
    taken = dict(DONE)
    DONE.clear()
    return taken
