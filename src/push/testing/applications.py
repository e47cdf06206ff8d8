"""An application in a test: its computes, its tables and buckets in memory, and the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from push.callers import Caller
from push.computes import AnyCompute, Registry, Tenant, load_registry
from push.sources.contexts import unknown_source
from push.sources.table_tags import TrackedTable
from push.testing.buckets import MemoryBucket
from push.testing.runs import Run, run
from push.testing.tables import MemoryTable
from push.testing.templates import TableKeys

_Source = TypeVar("_Source")

ASKING = Caller(tenant=Tenant("tenant"), principal="principal")


@dataclass(frozen=True, slots=True)
class Application:
    """The computes of an application, over sources in memory.

    Args:
        registry: the computes on offer.
        declared: the keys of the template's tables, which `table` need not be told.
        caller: the caller of the runs.

    """

    registry: Registry
    declared: Mapping[str, TableKeys] = field(default_factory=dict)
    caller: Caller = ASKING
    sources: MemorySources = field(default_factory=lambda: MemorySources())

    @classmethod
    def of(cls, *modules: str) -> Application:
        """Return the application of modules and packages, which are imported.

        Raises:
            SettingsError: a module can't be imported or offered as it is.

        """
        return cls(load_registry(modules))

    def table(
        self,
        name: str,
        *,
        partition: str | None = None,
        sort: str | None = None,
        indexes: Mapping[str, Sequence[str]] | None = None,
    ) -> MemoryTable:
        """Return a table, made at the first call: with these keys, or with those of the application's template.

        Raises:
            LookupError: no keys are given, and the template has no such table.

        """
        tables = self.sources.tables
        if name not in tables:
            tables[name] = self._make_table(name, partition, sort, indexes)
        return tables[name]

    def _make_table(
        self, name: str, partition: str | None, sort: str | None, indexes: Mapping[str, Sequence[str]] | None
    ) -> MemoryTable:
        if partition is not None:
            return MemoryTable(name, partition=partition, sort=sort, indexes=indexes)
        keys = self.declared.get(name)
        if keys is None:
            known = f" It has: {', '.join(sorted(self.declared))}." if self.declared else ""
            raise LookupError(
                f"The template has no table `{name}`.{known} Correct the name, or give its keys: `partition=`, `sort=`."
            )
        return MemoryTable(name, partition=keys.partition, sort=keys.sort, indexes=keys.indexes)

    def bucket(self, name: str) -> MemoryBucket:
        """Return a bucket, made at the first call."""
        return self.sources.buckets.setdefault(name, MemoryBucket(name))

    def asked_by(
        self,
        *,
        tenant: str = ASKING.tenant,
        principal: str = ASKING.principal,
        claims: Mapping[str, Any] | None = None,
    ) -> Application:
        """Return the same application, asked by another caller."""
        caller = Caller(tenant=Tenant(tenant), principal=principal, claims=claims or {})
        return Application(self.registry, self.declared, caller, self.sources)

    def run(self, compute: str | AnyCompute, /, *, attempt: int = 1, **params: object) -> Run:
        """Run a compute with params and return what would be stored; for tests that are plain functions.

        Raises:
            RequestError: the compute is unknown, the params do not fit, or the caller may not have the result.

        """
        return asyncio.run(self.run_async(compute, attempt=attempt, **params))

    async def run_async(self, compute: str | AnyCompute, /, *, attempt: int = 1, **params: object) -> Run:
        """Do as `run` does; for tests that are async functions."""
        declared = self.registry.find(compute) if isinstance(compute, str) else compute
        return await run(declared, msgspec.json.encode(params), self.caller, self.sources, attempt=attempt)


@dataclass(frozen=True, slots=True)
class MemorySources:
    """`push.sources.ports.Sources` in memory."""

    tables: dict[str, MemoryTable] = field(default_factory=dict)
    buckets: dict[str, MemoryBucket] = field(default_factory=dict)

    def table(self, name: str) -> MemoryTable:
        """See `Sources.table`."""
        return _find("table", name, self.tables)

    def bucket(self, name: str) -> MemoryBucket:
        """See `Sources.bucket`."""
        return _find("bucket", name, self.buckets)

    def tracked_table(self, name: str) -> TrackedTable:
        """See `Sources.tracked_table`; the logical name stands for the physical one."""
        return self.table(name).tracked

    def bucket_name(self, name: str) -> str:
        """See `Sources.bucket_name`; the logical name stands for the physical one."""
        self.bucket(name)
        return name


def _find(kind: str, name: str, known: Mapping[str, _Source]) -> _Source:
    try:
        return known[name]
    except KeyError:
        raise unknown_source(kind, name, list(known)) from None
