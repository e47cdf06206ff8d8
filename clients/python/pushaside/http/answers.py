"""Reading the answers of the HTTP API that are not errors."""

from __future__ import annotations

from typing import Any

from pushaside.errors import UnreadableResultError
from pushaside.http.calls import HttpAnswer
from pushaside.protocol.data_forms import parse_data
from pushaside.reaching import read_seconds


def read_object(answer: HttpAnswer) -> dict[str, Any]:
    """Return the JSON object in an answer's body.

    Raises:
        UnreadableResultError: the body is no JSON object.

    """
    fields = parse_data(answer.body)
    if not isinstance(fields, dict):
        raise UnreadableResultError("The service's answer is not a JSON object.")
    return fields


def read_tags(answer: HttpAnswer) -> tuple[str, ...] | None:
    """Return the tags that the answer names, with a last line for those it had no room for; None without any header.

    >>> read_tags(HttpAnswer(200, {"pushaside-tags": '["rates"]', "pushaside-tags-left-out": "2"}, b""))
    ('rates', '... and 2 more')
    >>> read_tags(HttpAnswer(200, {}, b"")) is None
    True

    Raises:
        UnreadableResultError: the header is no JSON list.

    """
    text = answer.headers.get("pushaside-tags")
    if text is None:
        return None
    tags = parse_data(text.encode())
    if not isinstance(tags, list):
        raise UnreadableResultError("The service's answer has tags that cannot be read.")
    left_out = answer.headers.get("pushaside-tags-left-out")
    return (*map(str, tags), *([f"... and {left_out} more"] if left_out else []))


def read_age(answer: HttpAnswer) -> float:
    """Return how old the answer's data is, in seconds; 0 if the answer does not say.

    >>> read_age(HttpAnswer(200, {"age": "7"}, b"")), read_age(HttpAnswer(200, {}, b""))
    (7.0, 0.0)
    """
    return read_seconds(answer.headers.get("age", "")) or 0.0
