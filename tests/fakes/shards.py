"""The shards of a stream, which hand out their records in batches, each until it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.invocations import Invocation


@dataclass(eq=False)
class Shard:
    """Records that wait, oldest first; those of the parent come before them."""

    parent: Shard | None = None
    records: list[Mapping[str, Any]] = field(default_factory=list)
    invocation: Invocation | None = None
    """What works on a batch of it; a shard has one at a time."""

    @property
    def readable(self) -> Shard | None:
        """The first of its lineage whose records are not done."""
        before = None if self.parent is None else self.parent.readable
        return before or (self if self.records else None)

    def end_batch(self, size: int, failed: str | None, *, is_repeated: bool) -> None:
        """Go on with the first record that failed; with the first of the batch if Lambda has not heard of its end."""
        if is_repeated:
            return
        numbers = [record["dynamodb"]["SequenceNumber"] for record in self.records]
        del self.records[: size if failed is None else numbers.index(failed)]
