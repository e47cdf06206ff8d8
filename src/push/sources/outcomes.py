"""The outcome of a compute's run: its value as JSON, and its tags."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from push.computes import Computed
from push.computes.sets import order_sets
from push.errors import ComputeFailedError
from push.results import is_storable
from push.sources.tracking import TrackedReads
from push.tags import SOURCE_MARK, say_reserved

_encoder = msgspec.json.Encoder()


MAX_TAGS = 255
"""The number of tags for which a stored result has room."""


def complete(value: object, own_tags: Iterable[str], context_tags: Iterable[str], reads: TrackedReads) -> Computed:
    """Return a function's value with all of its tags.

    The compute's own tags come first, as they are, then each other tag of the author once, then those of the reads.

    Raises:
        ComputeFailedError: the tags or the source version can't be stored.

    """
    computed = value if isinstance(value, Computed) else Computed(value)
    own = tuple(own_tags)
    named = (*own, *(tag for tag in dict.fromkeys((*context_tags, *computed.tags)) if tag not in own))
    tags = with_tags_of_reads(named, reads)
    if not is_storable(tags, computed.source_version):
        raise ComputeFailedError("The compute's tags or source version cannot be stored.")
    if (reserved := next((tag for tag in named if tag.startswith(SOURCE_MARK)), None)) is not None:
        raise ComputeFailedError(say_reserved(reserved))
    return Computed(computed.value, computed.source_version, tags)


def with_tags_of_reads(named: tuple[str, ...], reads: TrackedReads) -> tuple[str, ...]:
    """Return the tags that an author named and those of a run's reads: the widest ones if there is no room for all."""
    tags = (*named, *reads.tags)
    return tags if len(tags) <= MAX_TAGS else (*named, *reads.widest())


def encode_value(value: object) -> bytes:
    """Return a value as JSON, with the elements of sets in order: equal values have equal JSON.

    Raises:
        ComputeFailedError: JSON can't hold the value.

    """
    try:
        return _encoder.encode(order_sets(value))
    except (TypeError, ValueError, RecursionError) as exc:
        raise ComputeFailedError(f"The compute's value cannot be written as JSON: {exc}.") from exc
