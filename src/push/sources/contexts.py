"""The context of a compute: the caller's identity, the sources, and what the run reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from push.computes import Scope, Tenant
from push.errors import ComputeFailedError, ErrorCode
from push.sources.ports import BucketReader, Sources, TableReader
from push.sources.table_tags import TrackedTable
from push.sources.tracking import NO_WATCH, TagWatch, TrackedBucketReader, TrackedReads, TrackedTableReader
from push.tags import SOURCE_MARK, say_reserved

if TYPE_CHECKING:
    from push.settings import ComputeSettings


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run: `done` of `total`, and a sentence."""

    done: float
    total: float | None = None
    message: str = ""


def drop_progress(_progress: Progress) -> None:
    """Ignore the progress of a run."""


class NoSources:
    """`push.sources.ports.Sources` of a deployment that declares none."""

    def table(self, name: str) -> TableReader:
        """See `Sources.table`."""
        raise unknown_source("table", name, ())

    def bucket(self, name: str) -> BucketReader:
        """See `Sources.bucket`."""
        raise unknown_source("bucket", name, ())

    def tracked_table(self, name: str) -> TrackedTable:
        """See `Sources.tracked_table`."""
        raise unknown_source("table", name, ())

    def bucket_name(self, name: str) -> str:
        """See `Sources.bucket_name`."""
        raise unknown_source("bucket", name, ())


def unknown_source(kind: str, name: str, known: Sequence[str]) -> ComputeFailedError:
    """Return the error for a source that is not declared."""
    declared = f" Declared: {', '.join(sorted(known))}." if known else ""
    return ComputeFailedError(
        f"No {kind} is named `{name}`. Declare it in pushaside.toml as [{kind}s.{name}].{declared}",
        code=ErrorCode.COMPUTE_FAILED,
    )


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket as computes read it."""

    reader: BucketReader

    async def get(self, key: str) -> bytes | None:
        """Return an object's content; None if there is none."""
        return await self.reader.get(key)

    async def get_json(self, key: str) -> Any:  # noqa: ANN401 - any JSON
        """Return an object's content as JSON; None if there is no object.

        Raises:
            ComputeFailedError: the object is not JSON.

        """
        content = await self.reader.get(key)
        if content is None:
            return None
        try:
            return msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            raise ComputeFailedError(f"The object {key!r} is not JSON: {exc}.") from exc

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the contents of objects, in the order of their keys, with None for an absent object."""
        return await self.reader.get_many(keys)

    async def list(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with a prefix, in order."""
        return await self.reader.list(prefix)


class Context:
    """The context of one run of a compute.

    Args:
        tenant: the caller's.
        principal: the caller's.
        scope: the compute's; it decides whether the run may know the tenant and the principal.
        attempt: starts at 1, and grows each time an earlier attempt failed or its worker died.
        deadline: when the run is stopped, in seconds since 1970, as `time.time()` counts.
        sources: the tables and buckets.
        report: receives the progress.
        settings: the function's; for the computes of this project alone.
        stored_version: the source version of the stored result, 0 without one. A result of a lower version is refused.
        watch: watches the tags of what the run reads.

    """

    __slots__ = (
        "_principal",
        "_reads",
        "_report",
        "_scope",
        "_settings",
        "_sources",
        "_tags",
        "_tenant",
        "attempt",
        "deadline",
        "stored_version",
    )

    def __init__(
        self,
        *,
        tenant: Tenant,
        principal: str = "",
        scope: Scope = Scope.TENANT,
        attempt: int = 1,
        deadline: float = 0.0,
        sources: Sources | None = None,
        report: Callable[[Progress], None] = drop_progress,
        settings: ComputeSettings | None = None,
        stored_version: int = 0,
        watch: TagWatch = NO_WATCH,
    ) -> None:
        self._tenant = tenant
        self._principal = principal
        self._scope = scope
        self.attempt = attempt
        self.deadline = deadline
        self.stored_version = stored_version
        self._sources = sources or NoSources()
        self._report = report
        self._settings = settings
        self._tags: dict[str, None] = {}
        self._reads = TrackedReads(watch)

    @property
    def tenant(self) -> Tenant:
        """The caller's tenant.

        Raises:
            AttributeError: the compute's scope is `shared`.

        """
        if self._scope is Scope.SHARED:
            raise AttributeError(
                "A compute of the scope `shared` has no tenant: all callers share its result. Use the scope `tenant`."
            )
        return self._tenant

    @property
    def principal(self) -> str:
        """The caller's principal.

        Raises:
            AttributeError: the compute's scope is not `principal`.

        """
        if self._scope is not Scope.PRINCIPAL:
            raise AttributeError(
                f"A compute of the scope `{self._scope.value}` has no principal: others share its result. Use the scope"
                " `principal`."
            )
        return self._principal

    @property
    def settings(self) -> ComputeSettings:
        """The function's settings.

        Raises:
            AttributeError: the context has none, because the compute does not run in this project's function.

        """
        if self._settings is None:
            raise AttributeError("This context has no settings: they are for the computes of Pushaside itself.")
        return self._settings

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that the run has named so far, without those of what it has read."""
        return tuple(self._tags)

    @property
    def reads(self) -> TrackedReads:
        """The tags of what the run has read so far."""
        return self._reads

    def table(self, name: str) -> TableReader:
        """Return the reader of a table, by its name in pushaside.toml. Changes of what it reads make the result stale.

        Raises:
            ComputeFailedError: no table has the name.

        """
        return TrackedTableReader(self._sources.table(name), self._sources.tracked_table(name), self._reads)

    def bucket(self, name: str) -> Bucket:
        """Return the reader of a bucket, by its name in pushaside.toml. Changes of what it reads make the result stale.

        Raises:
            ComputeFailedError: no bucket has the name.

        """
        reader = TrackedBucketReader(self._sources.bucket(name), self._sources.bucket_name(name), self._reads)
        return Bucket(reader)

    def depends_on(self, *tags: str) -> None:
        """Add tags to the result: a change of one of them invalidates it. Reads need none: see `table` and `bucket`.

        Raises:
            TypeError: a tag is not a string.
            ComputeFailedError: a tag begins with `@`, as those of reads do.

        """
        for tag in tags:
            if not isinstance(tag, str):
                raise TypeError(f"A tag is a string, not {type(tag).__name__}.")
            if tag.startswith(SOURCE_MARK):
                raise ComputeFailedError(say_reserved(tag))
            self._tags[tag] = None

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Report how far the run is."""
        self._report(Progress(done, total, message))
