"""Tables in memory, with the keys, indexes and answers of DynamoDB's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from push.adapters.dynamodb.values import read_row, write_row
from push.errors import ComputeFailedError
from push.sources.ports import Row, Value
from push.sources.table_tags import TrackedTable

Keys = tuple[str, str | None]
"""The attributes of the partition key and of the sort key, if there is one."""


class MemoryTable:
    """`push.sources.ports.TableReader` in memory.

    Args:
        name: the logical name.
        partition: the attribute of the partition key.
        sort: the attribute of the sort key, if the table has one.
        indexes: the attributes of the partition and sort key by the name of a secondary index.

    """

    def __init__(
        self, name: str, *, partition: str, sort: str | None = None, indexes: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._name = name
        self._keys: Keys = (partition, sort)
        self._indexes = {index: _keys_of(index, names) for index, names in (indexes or {}).items()}
        self._rows: dict[tuple[Any, ...], Row] = {}

    @property
    def tracked(self) -> TrackedTable:
        """The table as its tags need it."""
        return TrackedTable(self._name, {index: tuple(filter(None, keys)) for index, keys in self._indexes.items()})

    def put(self, *rows: Mapping[str, Value]) -> None:
        """Store rows; a row of the same key is replaced.

        Raises:
            TypeError: DynamoDB can't hold a value.
            ValueError: a row lacks an attribute of the key.

        """
        for row in rows:
            self.key_of(row)
            # What DynamoDB would give back: floats that are whole numbers become ints.
            self._rows[self._identity(row)] = read_row(write_row(row))

    def delete(self, key: Mapping[str, Value]) -> None:
        """Remove a row, if it exists."""
        self._rows.pop(self._identity(key), None)

    def key_of(self, row: Mapping[str, Value]) -> Row:
        """Return the primary key of a row.

        Raises:
            ValueError: the row lacks an attribute of the key.

        """
        names = [name for name in self._keys if name is not None]
        if missing := [name for name in names if name not in row]:
            raise ValueError(f"A row of the table `{self._name}` lacks its key `{missing[0]}`: {dict(row)!r}")
        return {name: row[name] for name in names}

    async def get(self, key: Mapping[str, Value]) -> Row | None:
        """See `TableReader.get`."""
        self._check_key(key)
        return copy.deepcopy(self._rows.get(self._identity(key)))

    async def get_many(self, keys: Sequence[Mapping[str, Value]]) -> list[Row | None]:
        """See `TableReader.get_many`."""
        return [await self.get(key) for key in keys]

    async def query(
        self,
        partition: Mapping[str, Value],
        *,
        index: str | None = None,
        begins_with: Mapping[str, Value] | None = None,
        between: Mapping[str, tuple[Value, Value]] | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Row]:
        """See `TableReader.query`."""
        keys = self._keys_of(index)
        is_selected = self._select(keys, partition, begins_with or {}, between or {})
        rows = [row for row in self._rows.values() if all(name in row for name in keys if name) and is_selected(row)]
        if (sort := keys[1]) is not None:
            rows.sort(key=lambda row: _order(row[sort]), reverse=newest_first)
        return copy.deepcopy(rows[:limit])

    async def scan(self) -> list[Row]:
        """See `TableReader.scan`."""
        return copy.deepcopy(list(self._rows.values()))

    def _keys_of(self, index: str | None) -> Keys:
        if index is None:
            return self._keys
        try:
            return self._indexes[index]
        except KeyError:
            raise self._refuse(f"it has no index `{index}`") from None

    def _select(
        self,
        keys: Keys,
        partition: Mapping[str, Value],
        begins_with: Mapping[str, Value],
        between: Mapping[str, tuple[Value, Value]],
    ) -> Callable[[Row], bool]:
        sorts = [*(set(partition) - {keys[0]}), *begins_with, *between]
        if keys[0] not in partition or len(sorts) > 1 or (sorts and sorts[0] != keys[1]):
            raise self._refuse(f"a query selects by `{keys[0]}` and at most one condition on `{keys[1]}`")
        write_row(partition)

        def is_selected(row: Row) -> bool:
            return (
                all(row[name] == value for name, value in partition.items())
                and all(row[name].startswith(prefix) for name, prefix in begins_with.items())
                and all(_order(low) <= _order(row[name]) <= _order(high) for name, (low, high) in between.items())
            )

        return is_selected

    def _check_key(self, key: Mapping[str, Value]) -> None:
        if set(key) != {name for name in self._keys if name is not None}:
            raise self._refuse("a key has exactly its partition key and its sort key")

    def _identity(self, row: Mapping[str, Value]) -> tuple[Any, ...]:
        return tuple(row.get(name) for name in self._keys if name is not None)

    def _refuse(self, reason: str) -> ComputeFailedError:
        return ComputeFailedError(f"DynamoDB refuses to read the table `{self._name}`: {reason}.")


def _keys_of(index: str, names: Sequence[str]) -> Keys:
    if isinstance(names, str) or not 1 <= len(names) <= 2:
        raise ValueError(f"The index {index!r} needs the attributes of its keys: (partition,) or (partition, sort).")
    return names[0], names[1] if len(names) == 2 else None


def _order(value: Value) -> Any:  # noqa: ANN401 - what can be compared
    """Return the value that DynamoDB orders by: strings by their UTF-8 bytes."""
    return value.encode() if isinstance(value, str) else value
