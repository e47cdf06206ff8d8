"""Holds what a client's steps came to against what the scenario says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.client_conformance.catalogue import Scenario
from tests.client_conformance.patterns import has_members
from tests.client_conformance.templates import dump


def find_problems(scenario: Scenario, report: Mapping[str, Any]) -> list[str]:
    """Say what a client's report has that it should not have."""
    if "crash" in report:
        return [f"the runner broke: {report['crash']}"]
    steps, outcomes = scenario["client"], report["outcomes"]
    if len(outcomes) != len(steps):
        return [f"it did {len(outcomes)} steps of {len(steps)}"]
    return [
        f"step {number}, {dump(step)}, came to {dump(outcome)}"
        for number, (step, outcome) in enumerate(zip(steps, outcomes, strict=True))
        if not _is_as_expected(step, outcome)
    ]


def _is_as_expected(step: Mapping[str, Any], outcome: object) -> bool:
    if "as" in step:
        return outcome is None
    if not isinstance(outcome, Mapping) or "hung" in outcome:
        return False
    expected = step.get("expect", {})
    if "error" in outcome and "error" not in expected:
        return False
    if step["do"] == "take_none":
        expected = {"updates": []}
    return all(_is_member_as_expected(name, wanted, outcome) for name, wanted in expected.items())


def _is_member_as_expected(name: str, wanted: object, outcome: Mapping[str, Any]) -> bool:
    if name != "updates":
        return has_members(outcome, {name: wanted}, {})
    found = outcome.get("updates")
    if isinstance(wanted, Mapping):
        epoch, first, last = wanted["$counted"]
        wanted = [{"position": f"{epoch}:{number}", "data": number} for number in range(first, last + 1)]
    if not isinstance(found, Sequence) or not isinstance(wanted, list) or len(found) != len(wanted):
        return False
    return all(has_members(*pair, {}) for pair in zip(found, wanted, strict=True))
