"""Reads the fields of messages; what is of another type than it should be counts as not said."""

from __future__ import annotations

from typing import Any

from pushaside.errors import UnreadableResultError
from pushaside.protocol.data_forms import decode_data


def read_text(fields: dict[str, Any], name: str) -> str | None:
    """Take a string.

    >>> read_text({"id": "r1"}, "id"), read_text({"id": 1}, "id"), read_text({}, "id")
    ('r1', None, None)
    """
    value = fields.get(name)
    return value if isinstance(value, str) else None


def read_number(fields: dict[str, Any], name: str) -> float | None:
    """Take a number that is not negative."""
    value = fields.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def read_data(fields: dict[str, Any], max_bytes: int) -> Any:  # noqa: ANN401  (JSON of the compute's making)
    """Take the data out of a message; None if there is a link in its place.

    Raises:
        TooLargeError: it has more than `max_bytes`.
        UnreadableResultError: it is damaged, in a form that is not known, or there is none and no link either.

    """
    if "data" in fields:
        return decode_data(fields["data"], fields["encoding"], max_bytes) if "encoding" in fields else fields["data"]
    if not (read_text(fields, "url") or "").lower().startswith(("http://", "https://")):
        raise UnreadableResultError("The result came without data, and without a link that can be followed.")
    return None
