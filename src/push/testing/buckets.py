"""Buckets in memory."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class MemoryBucket:
    """`push.sources.ports.BucketReader` in memory."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._objects: dict[str, bytes] = {}

    def put(self, key: str, content: bytes | str) -> None:
        """Store an object; text as UTF-8."""
        self._objects[key] = content.encode() if isinstance(content, str) else content

    def put_json(self, key: str, value: object) -> None:
        """Store an object that holds a value as JSON."""
        self._objects[key] = msgspec.json.encode(value)

    def delete(self, key: str) -> None:
        """Remove an object, if it exists."""
        self._objects.pop(key, None)

    async def get(self, key: str) -> bytes | None:
        """See `BucketReader.get`."""
        return self._objects.get(key)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `BucketReader.get_many`."""
        return [self._objects.get(key) for key in keys]

    async def list(self, prefix: str = "") -> list[str]:
        """See `BucketReader.list`."""
        return sorted((key for key in self._objects if key.startswith(prefix)), key=str.encode)
