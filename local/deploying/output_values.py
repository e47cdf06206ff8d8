"""Property values that CloudFormation evaluates for the runtime, as outputs added to the template.

References, substitutions and conditions thus mean what they mean to CloudFormation, without a second implementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class OutputReference:
    """A placeholder for a value until the stack's outputs are known."""

    output: str


class DeferredValues:
    """Values of one template that are known after its deployment."""

    def __init__(self, template: dict[str, Any]) -> None:
        self._outputs: dict[str, Any] = template.setdefault("Outputs", {})

    def defer(self, value: Any, condition: str | None) -> Any:  # noqa: ANN401  # JSON
        """Return `value` with an OutputReference in place of each intrinsic function."""
        if _is_intrinsic(value):
            return self._add_output(value, condition)
        if isinstance(value, dict):
            return {key: self.defer(each, condition) for key, each in value.items()}
        if isinstance(value, list):
            return [self.defer(each, condition) for each in value]
        return value

    def _add_output(self, value: dict[str, Any], condition: str | None) -> OutputReference:
        name = f"LocalValue{len(self._outputs)}"
        self._outputs[name] = {"Value": _without_no_value(value)}
        if condition is not None:
            self._outputs[name]["Condition"] = condition
        return OutputReference(name)


def resolve(value: Any, outputs: Mapping[str, str]) -> Any:  # noqa: ANN401  # JSON
    """Return a deferred value as CloudFormation evaluated it; None stands for a value that a condition left out."""
    if isinstance(value, OutputReference):
        return outputs.get(value.output) or None
    if isinstance(value, dict):
        return {key: resolve(each, outputs) for key, each in value.items()}
    if isinstance(value, list):
        return [resolve(each, outputs) for each in value]
    return value


def _is_intrinsic(value: object) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))


def _without_no_value(value: Any) -> Any:  # noqa: ANN401  # JSON
    """Replace `AWS::NoValue` by the empty string, because every output needs a value."""
    if value == {"Ref": "AWS::NoValue"}:
        return ""
    if isinstance(value, dict):
        return {key: _without_no_value(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_no_value(each) for each in value]
    return value
