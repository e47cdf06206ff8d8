"""The outcome of a compute's run: its value as JSON, and its tags."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from push.computes import Computed
from push.computes.sets import order_sets
from push.errors import ComputeFailedError
from push.results import is_storable

_encoder = msgspec.json.Encoder()


def complete(value: object, own_tags: Iterable[str], context_tags: Iterable[str]) -> Computed:
    """Return a function's value with all of its tags: the compute's own first, as they are, then each other one once.

    Raises:
        ComputeFailedError: the tags or the source version can't be stored.

    """
    computed = value if isinstance(value, Computed) else Computed(value)
    own = tuple(own_tags)
    tags = (*own, *(tag for tag in dict.fromkeys((*context_tags, *computed.tags)) if tag not in own))
    if not is_storable(tags, computed.source_version):
        raise ComputeFailedError("The compute's tags or source version cannot be stored.")
    return Computed(computed.value, computed.source_version, tags)


def encode_value(value: object) -> bytes:
    """Return a value as JSON, with the elements of sets in order: equal values have equal JSON.

    Raises:
        ComputeFailedError: JSON can't hold the value.

    """
    try:
        return _encoder.encode(order_sets(value))
    except (TypeError, ValueError, RecursionError) as exc:
        raise ComputeFailedError(f"The compute's value cannot be written as JSON: {exc}.") from exc
