"""Reading the fields of messages; a field of the wrong type counts as missing."""

from __future__ import annotations

from typing import Any

from pushaside.errors import UnreadableResultError
from pushaside.protocol.data_forms import decode_data


def read_text(fields: dict[str, Any], name: str) -> str | None:
    """Return a string, or None.

    >>> read_text({"id": "r1"}, "id"), read_text({"id": 1}, "id"), read_text({}, "id")
    ('r1', None, None)
    """
    value = fields.get(name)
    return value if isinstance(value, str) else None


def read_number(fields: dict[str, Any], name: str) -> float | None:
    """Return a number that is not negative, or None."""
    value = fields.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def read_data(fields: dict[str, Any], max_bytes: int) -> Any:  # noqa: ANN401  (the compute's JSON)
    """Return the data of a message; None if it has a link in its place.

    Raises:
        TooLargeError: the data exceeds `max_bytes`.
        UnreadableResultError: the data is damaged or in an unknown form, or there is neither data nor a link.

    """
    if "data" in fields:
        return decode_data(fields["data"], fields["encoding"], max_bytes) if "encoding" in fields else fields["data"]
    if not (read_text(fields, "url") or "").lower().startswith(("http://", "https://")):
        raise UnreadableResultError("The result has neither data nor a valid link.")
    return None
