"""An application in a test: its computes, its functions of changes, its sources in memory, and the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, Unpack

import msgspec

from push.callers import Caller
from push.changes.declaring import ChangeFunctions, load_change_functions
from push.changes.records import ChangedTag
from push.computes import AnyCompute, Registry, Tenant, load_registry
from push.sources.contexts import unknown_source
from push.sources.table_tags import TrackedTable
from push.testing.buckets import MemoryBucket
from push.testing.changes import ToldChange, tags_of_body, tags_of_object, tags_of_row
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
        functions: the functions registered with `@changes_of`.
        formats: the formats of Kinesis streams by their names.

    """

    registry: Registry
    declared: Mapping[str, TableKeys] = field(default_factory=dict)
    caller: Caller = ASKING
    sources: MemorySources = field(default_factory=lambda: MemorySources())
    functions: ChangeFunctions = field(default_factory=ChangeFunctions)
    formats: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, *modules: str) -> Application:
        """Return the application of modules and packages, which are imported.

        Raises:
            SettingsError: a module can't be imported or offered as it is.

        """
        return cls(load_registry(modules), functions=load_change_functions(modules))

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
        return replace(self, caller=caller)

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

    def changes(self, source: str, body: object = None, /, **told: Unpack[ToldChange]) -> list[str | ChangedTag]:
        """Return the tags that one change of a source raises; for tests that are plain functions.

        A str is raised in all scopes, a `ChangedTag` in its own. Tags of rows and objects begin with `@`; like
        `Run.tags` they have the logical names of tables and buckets. The argument `before` of a function is not called.

        Args:
            source: the name of the source in pushaside.toml.
            body: the JSON of a stream's record, of an event or of a notification.
            told: of a table, the row before and after; of a bucket, the object. See `ToldChange`.

        Raises:
            LookupError: no function is registered for the source, or the table is unknown.
            UnreadableChangeError: the record can't be read in the stream's format.

        """
        return asyncio.run(self.changes_async(source, body, **told))

    async def changes_async(
        self, source: str, body: object = None, /, **told: Unpack[ToldChange]
    ) -> list[str | ChangedTag]:
        """Do as `changes` does; for tests that are async functions."""
        if "old" in told or "new" in told:
            return await tags_of_row(self.functions, self.table(source), source, told)
        if "object_key" in told:
            return await tags_of_object(self.functions, source, told)
        return await tags_of_body(self.functions, source, self.formats.get(source, "json"), body, told)


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
