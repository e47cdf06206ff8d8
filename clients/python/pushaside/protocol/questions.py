"""The client's messages that expect one answer, written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import orjson

from pushaside.errors import InvalidParamsError

PING = b'{"action":"ping"}'

GZIP = ("gzip",)
"""The `accept` of a client that reads `"encoding":"gzip+base64"`."""


class Question(Protocol):
    """A message with an id that the service answers once."""

    @property
    def asked_again(self) -> bool:
        """Whether the client sends it again under the same id after silence."""

    def write(self, question_id: str, remaining_seconds: float) -> bytes:
        """Return the message as JSON; `remaining_seconds` are left until its deadline."""


@dataclass(slots=True)  # not frozen, because that takes twice as long to make
class ComputeQuestion:
    """A request for a compute's result. The params are JSON already, so later changes to the caller's dict do nothing.

    >>> question = ask_compute("documents", {"ids": ["TX"]}, max_age=None)
    >>> question.write("r1", 1.5)
    b'{"action":"request","id":"r1","compute":"documents","params":{"ids":["TX"]},"deadline_ms":1500}'
    """

    compute: str
    params: bytes
    max_age: float | None
    accept: tuple[str, ...]
    asked_again: ClassVar[bool] = True

    def write(self, question_id: str, remaining_seconds: float) -> bytes:
        """Return the message; the service counts its deadline from the arrival, so it contains the time left."""
        message: dict[str, object] = {
            "action": "request",
            "id": question_id,
            "compute": self.compute,
            "params": orjson.Fragment(self.params),
            "deadline_ms": max(1, round(remaining_seconds * 1000)),
        }
        if self.max_age is not None:
            message["max_age"] = self.max_age
        if self.accept:
            message["accept"] = self.accept
        return orjson.dumps(message)


@dataclass(frozen=True, slots=True)
class PingQuestion:
    """A ping. Pongs carry no id, so a retry would take the answer of the first ping."""

    asked_again: ClassVar[bool] = False

    def write(self, question_id: str, remaining_seconds: float) -> bytes:  # noqa: ARG002  (a ping contains nothing else)
        """Return the message."""
        return PING


def ask_compute(
    compute: str, params: Mapping[str, object] | None, *, max_age: float | None, accept: tuple[str, ...] = ()
) -> ComputeQuestion:
    """Return a request for a compute; None stands for no params. `accept` lists the encodings that the client reads.

    Raises:
        InvalidParamsError: the params cannot be written as JSON.

    """
    return ComputeQuestion(compute, write_params(params), max_age, accept)


def write_params(params: Mapping[str, object] | None) -> bytes:
    """Return params as JSON; None stands for no params.

    Raises:
        InvalidParamsError: the params cannot be written as JSON.

    """
    try:
        return orjson.dumps({} if params is None else params)
    except TypeError as exc:
        raise InvalidParamsError(f"The params cannot be written as JSON: {exc}.") from exc


def write_hello(hello_id: str, session: str | None, accept: tuple[str, ...] = ()) -> bytes:
    """Return the first message of a connection; `session` is the one to resume."""
    message: dict[str, object] = {"action": "hello", "id": hello_id, "accept": accept}
    if session is not None:
        message["session"] = session
    return orjson.dumps(message)
