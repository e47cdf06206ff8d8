"""JMESPath queries (https://jmespath.org) from clients: checked before they run, and bounded while they run.

A query is an untrusted program. `[@,@]|[@,@]|...` doubles its value with every step, although each step is cheap. So
both the number of steps and the size of every value that a query makes are bounded.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult
from jmespath.visitor import Options, TreeInterpreter

from push.errors import ComputeFailedError, ErrorCode

MAX_STEPS = 20_000_000
"""About ten seconds of work."""

MAX_SIZE = 128 * 1024 * 1024
"""The limit of any value within a query, roughly in bytes of JSON."""

_SCALAR_SIZE = 8
_SMALL = 16


@lru_cache(maxsize=1024)
def compile_query(expression: str) -> ParsedResult:
    """Parse an expression and check its function calls.

    Raises:
        ValueError: it is not valid JMESPath; the sentence says where.

    """
    try:
        with warnings.catch_warnings():
            # JEP-12 deprecates `text` for `"text"`, but most people write it.
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            compiled = jmespath.compile(expression)
        _check_functions(compiled.parsed)
    except (JMESPathError, ValueError) as exc:
        raise ValueError(_one_line(exc)) from exc
    except RecursionError as exc:
        raise ValueError("The expression is nested too deeply") from exc
    return compiled


def _check_functions(node: Mapping[str, Any]) -> None:
    if node["type"] == "function_expression":
        _check_call(node["value"], len(node["children"]))
    for child in node["children"]:
        if isinstance(child, dict):  # a slice has numbers
            _check_functions(child)


def _check_call(name: str, given: int) -> None:
    if name not in Functions.FUNCTION_TABLE:
        raise ValueError(f"There is no function {name}()")
    signature = Functions.FUNCTION_TABLE[name]["signature"]
    wanted = len(signature)
    is_variadic = bool(signature) and signature[-1].get("variadic", False)
    if given < wanted or (given > wanted and not is_variadic):
        raise ValueError(f"The function {name}() takes {wanted} arguments, not {given}")


def run_query(compiled: ParsedResult, value: object) -> Any:  # noqa: ANN401 - whatever the query makes
    """Run a query over a value of JSON types.

    Raises:
        ComputeFailedError: the query does not fit the value (`compute_failed`), or takes too many steps or makes too
            large a value (`too_large`).

    """
    try:
        return _BoundedInterpreter(_Meter()).visit(compiled.parsed, value)
    # A comparison of a number with a string is a TypeError, a slice with step 0 a ValueError, and so on.
    except (JMESPathError, TypeError, ValueError, ArithmeticError) as exc:
        raise ComputeFailedError(f"The query does not fit the documents: {_one_line(exc)}.") from exc
    except RecursionError as exc:
        raise ComputeFailedError("The query or what it makes is nested too deeply.") from exc


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())[:500]


class _Meter:
    """Counts the steps of a query, and measures its values."""

    def __init__(self) -> None:
        self._steps = 0
        # By identity, because values share parts. Holding the values keeps Python from reusing an identity.
        self._sizes: dict[int, tuple[object, int]] = {}

    def charge(self, steps: int) -> None:
        """Count steps. Raises ComputeFailedError beyond the limit."""
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise ComputeFailedError("The query takes too long over these documents.", code=ErrorCode.TOO_LARGE)

    def check(self, value: object) -> None:
        """Raise ComputeFailedError if a value would be too large as JSON."""
        if self._size(value) > MAX_SIZE:
            raise ComputeFailedError("The query makes too much of these documents.", code=ErrorCode.TOO_LARGE)

    def _size(self, value: object) -> int:
        if isinstance(value, str):
            return len(value) + 2
        if not isinstance(value, list | dict):
            return _SCALAR_SIZE
        if known := self._sizes.get(id(value)):
            return known[1]
        parts = value if isinstance(value, list) else value.values()
        self.charge(len(parts))
        size = _SCALAR_SIZE + sum(map(self._size, parts))
        if size > _SMALL * _SCALAR_SIZE:
            self._sizes[id(value)] = (value, size)
        return size


_GROWING = frozenset(
    {
        "filter_projection",
        "flatten",
        "function_expression",
        "multi_select_dict",
        "multi_select_list",
        "projection",
        "value_projection",
    }
)


class _BoundedFunctions(Functions):
    def __init__(self, meter: _Meter) -> None:
        super().__init__()
        self._meter = meter

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:  # noqa: ANN401
        arguments = list(resolved_args)
        self._meter.charge(sum(len(each) for each in arguments if isinstance(each, str | list | dict)))
        return super().call_function(function_name, arguments)


class _BoundedInterpreter(TreeInterpreter):
    def __init__(self, meter: _Meter) -> None:
        super().__init__(Options(custom_functions=_BoundedFunctions(meter)))
        self._meter = meter

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - jmespath's own signature
        self._meter.charge(1)
        value = super().visit(node, *args, **kwargs)
        if node["type"] in _GROWING:
            self._meter.check(value)
        return value
