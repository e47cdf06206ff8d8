"""The context of a plain function, which runs on a thread: the same reads, each of which blocks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from push.computes import Tenant
from push.sources.contexts import Bucket, Context
from push.sources.ports import Row, TableReader, Value

Wait = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine on the event loop and returns its result, from another thread."""

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class BlockingTable:
    """A table; see `push.sources.ports.TableReader`."""

    reader: TableReader
    wait: Wait

    def get(self, key: Mapping[str, Value]) -> Row | None:
        """Return the row of a whole primary key; None if there is none."""
        return _typed(self.wait, self.reader.get(key))

    def get_many(self, keys: Sequence[Mapping[str, Value]]) -> list[Row | None]:
        """Return the rows of keys, in their order, with None for an absent row."""
        return _typed(self.wait, self.reader.get_many(keys))

    def query(
        self,
        partition: Mapping[str, Value],
        *,
        index: str | None = None,
        begins_with: Mapping[str, Value] | None = None,
        between: Mapping[str, tuple[Value, Value]] | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Row]:
        """Return the rows of a partition in order of the sort key."""
        read = self.reader.query(
            partition, index=index, begins_with=begins_with, between=between, newest_first=newest_first, limit=limit
        )
        return _typed(self.wait, read)

    def scan(self) -> list[Row]:
        """Return all rows of the table, in no order."""
        return _typed(self.wait, self.reader.scan())


@dataclass(frozen=True, slots=True)
class BlockingBucket:
    """A bucket; see `push.sources.contexts.Bucket`."""

    bucket: Bucket
    wait: Wait

    def get(self, key: str) -> bytes | None:
        """Return an object's content; None if there is none."""
        return _typed(self.wait, self.bucket.get(key))

    def get_json(self, key: str) -> Any:  # noqa: ANN401 - any JSON
        """Return an object's content as JSON; None if there is no object."""
        return self.wait(self.bucket.get_json(key))

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the contents of objects, in the order of their keys, with None for an absent object."""
        return _typed(self.wait, self.bucket.get_many(keys))

    def list(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with a prefix, in order."""
        return _typed(self.wait, self.bucket.list(prefix))


class BlockingContext:
    """The context of one run of a plain function; see `Context`."""

    __slots__ = ("_context", "_wait")

    def __init__(self, context: Context, wait: Wait) -> None:
        self._context = context
        self._wait = wait

    @property
    def tenant(self) -> Tenant:
        """The caller's tenant; see `Context.tenant`."""
        return self._context.tenant

    @property
    def principal(self) -> str:
        """The caller's principal; see `Context.principal`."""
        return self._context.principal

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._context.attempt

    @property
    def deadline(self) -> float:
        """The time at which the run stops, in seconds since 1970. Reads after it raise TimeoutError."""
        return self._context.deadline

    @property
    def stored_version(self) -> int:
        """The source version of the stored result; see `Context`."""
        return self._context.stored_version

    def table(self, name: str) -> BlockingTable:
        """Return the reader of a table; see `Context.table`."""
        return BlockingTable(self._context.table(name), self._wait)

    def bucket(self, name: str) -> BlockingBucket:
        """Return the reader of a bucket; see `Context.bucket`."""
        return BlockingBucket(self._context.bucket(name), self._wait)

    def depends_on(self, *tags: str) -> None:
        """Add tags to the result: a change of one of them invalidates it."""
        self._context.depends_on(*tags)

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Report how far the run is."""
        self._context.progress(done, total, message)


def _typed(wait: Wait, read: Coroutine[Any, Any, _Read]) -> _Read:
    result: _Read = wait(read)
    return result
