"""Computes: named, versioned functions of params, declared by a decorator and found by module name.

    class SquareParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        number: int

    @compute(name="square", version=1, params=SquareParams, ttl_seconds=60.0)
    async def square(params: SquareParams, context: ComputeContext) -> object:
        return {"square": params.number ** 2}

The setting COMPUTE_MODULES names the modules that declare computes. Functions that only check params import them too,
so such a module should import nothing heavy at its top.
"""

from __future__ import annotations

import enum
import importlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NewType, TypeVar

import msgspec

from push.errors import ErrorCode, RequestError, SettingsError
from push.settings import ComputeSettings

Tenant = NewType("Tenant", str)
"""The owner of data, from the verified token, never from a message. Letters, digits, `_`, `.`, `-`, at most 64."""

Params = TypeVar("Params", bound=msgspec.Struct)

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_MAX_NAME_CHARACTERS = 64


class Scope(enum.Enum):
    """The callers that share one result."""

    TENANT = "tenant"
    SHARED = "shared"
    """Every tenant gets the same result; only for computes that read no tenant's data."""


@dataclass(frozen=True, slots=True)
class ComputeContext:
    """The context of a compute, beside its params.

    `attempt` starts at 1 and grows each time an earlier attempt failed or its worker died.
    """

    tenant: Tenant
    attempt: int
    settings: ComputeSettings


@dataclass(frozen=True, slots=True)
class Computed:
    """A compute's value with facts for the cache; a compute without such facts returns the bare value.

    Args:
        value: anything msgspec can encode as JSON, or `msgspec.Raw` holding JSON bytes.
        source_version: grows with every change of the source; a fill with a lower version never replaces a higher one.
        tags: names of the sources of the value, in addition to the compute's own tags.

    """

    value: object
    source_version: int = 0
    tags: tuple[str, ...] = ()


def no_tags(_params: Any) -> tuple[str, ...]:  # noqa: ANN401 - fits every compute's params
    """Return no tags."""
    return ()


@dataclass(frozen=True, slots=True)
class Compute(Generic[Params]):
    """One declared compute; times are in seconds."""

    name: str
    version: int
    params: type[Params]
    function: Callable[[Params, ComputeContext], Awaitable[object]]
    ttl_seconds: float
    stale_ttl_seconds: float
    failure_ttl_seconds: float
    timeout_seconds: float
    scope: Scope
    tags: Callable[[Params], tuple[str, ...]]

    def parse_params(self, raw: bytes | msgspec.Raw) -> Params:
        """Decode and validate params.

        Raises:
            RequestError: the params are not JSON of the declared form (`invalid_params`).

        """
        try:
            return msgspec.json.decode(raw, type=self.params)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
            raise RequestError(
                f"`params` are not valid for {self.name}: {exc}.", code=ErrorCode.INVALID_PARAMS
            ) from exc


def compute(
    *,
    name: str,
    version: int,
    params: type[Params],
    ttl_seconds: float,
    stale_ttl_seconds: float = 0.0,
    failure_ttl_seconds: float = 2.0,
    timeout_seconds: float = 20.0,
    scope: Scope = Scope.TENANT,
    tags: Callable[[Params], tuple[str, ...]] = no_tags,
) -> Callable[[Callable[[Params, ComputeContext], Awaitable[object]]], Compute[Params]]:
    """Declare an async function as a compute.

    Args:
        name: the name that callers request; lower-case letters, digits, `_` and `-`.
        version: part of every key; raise it when the same params should yield a different result.
        params: a msgspec Struct that a request's params must match.
        ttl_seconds: how long a result is fresh.
        stale_ttl_seconds: how long after that a stale result may be answered while it is refreshed.
        failure_ttl_seconds: how long a deterministic failure is cached.
        timeout_seconds: how long the function may run; less than the Lambda function's timeout.
        scope: whether each tenant has its own result.
        tags: returns the names of the result's sources, so that their changes invalidate it.

    Raises:
        SettingsError: the name has other characters.

    """
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name!r} is not a valid name for a compute. Use lower-case letters, digits, _ and -.")

    def declare(function: Callable[[Params, ComputeContext], Awaitable[object]]) -> Compute[Params]:
        return Compute(
            name=name,
            version=version,
            params=params,
            function=function,
            ttl_seconds=ttl_seconds,
            stale_ttl_seconds=stale_ttl_seconds,
            failure_ttl_seconds=failure_ttl_seconds,
            timeout_seconds=timeout_seconds,
            scope=scope,
            tags=tags,
        )

    return declare


AnyCompute = Compute[Any]


class Registry:
    """The computes on offer, by name."""

    __slots__ = ("_computes",)

    def __init__(self, computes: Iterable[AnyCompute]) -> None:
        self._computes: dict[str, AnyCompute] = {}
        for declared in computes:
            if declared.name in self._computes:
                raise SettingsError(f"Two computes are named {declared.name!r}. Rename one.")
            self._computes[declared.name] = declared

    def find(self, name: str) -> AnyCompute:
        """Return the compute of that name.

        Raises:
            RequestError: no compute has the name (`unknown_compute`).

        """
        try:
            return self._computes[name]
        except KeyError:
            raise RequestError(_say_unknown(name, self._computes), code=ErrorCode.UNKNOWN_COMPUTE) from None

    @property
    def by_name(self) -> Mapping[str, AnyCompute]:
        """Return all computes by name."""
        return self._computes


def _say_unknown(name: str, known: Iterable[str]) -> str:
    """Say that no compute has this name, and name the registered compute that is closest to it."""
    sentence = f"No compute is named `{name}`."
    if len(name) > _MAX_NAME_CHARACTERS:
        return sentence
    # Only a mistake needs it.
    from difflib import get_close_matches

    close = get_close_matches(name.lower(), known, n=1)
    return f"{sentence} Did you mean `{close[0]}`?" if close else sentence


def load_registry(modules: Iterable[str]) -> Registry:
    """Import modules and collect the computes that they declare.

    Raises:
        SettingsError: a module can't be imported, declares no compute, or repeats a name.

    """
    return Registry(declared for module in modules for declared in _declared_in(module))


def _declared_in(module: str) -> list[AnyCompute]:
    try:
        namespace = vars(importlib.import_module(module))
    except ImportError as exc:
        raise SettingsError(f"COMPUTE_MODULES names {module!r}, which can't be imported: {exc}.") from exc
    declared = [value for value in namespace.values() if isinstance(value, Compute)]
    if not declared:
        raise SettingsError(f"COMPUTE_MODULES names {module!r}, which declares no compute.")
    return declared
