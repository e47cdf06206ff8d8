"""What is asked of the service, written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import orjson

from pushaside.errors import InvalidParamsError

PING = b'{"action":"ping"}'

GZIP = ("gzip",)
"""What is said in `accept` by those who read `"encoding":"gzip+base64"`."""


class Question(Protocol):
    """Something that is asked under an id and answered once."""

    @property
    def asked_again(self) -> bool:
        """Whether silence is a reason to ask it again under the same id."""

    def write(self, question_id: str, remaining_seconds: float) -> bytes:
        """Write the message; `remaining_seconds` are left until its deadline."""


@dataclass(slots=True)  # frozen it would take twice as long to make
class ComputeQuestion:
    """Asks for a compute's result. The params are written already: later changes to the caller's dict change nothing.

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
        """Write the message; the service counts the deadline from its arrival, so what is left of it is sent."""
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
    """Asks for a pong. Pongs carry no id, so a second ping would take the first one's answer."""

    asked_again: ClassVar[bool] = False

    def write(self, question_id: str, remaining_seconds: float) -> bytes:  # noqa: ARG002  (a ping says nothing else)
        """Write the message."""
        return PING


def ask_compute(
    compute: str, params: Mapping[str, object] | None, *, max_age: float | None, accept: tuple[str, ...] = ()
) -> ComputeQuestion:
    """Write the params down; None stands for no params. `accept` lists the encodings of data that are read.

    Raises:
        InvalidParamsError: they hold something that JSON cannot.

    """
    return ComputeQuestion(compute, write_params(params), max_age, accept)


def write_params(params: Mapping[str, object] | None) -> bytes:
    """Write params as JSON; None stands for no params.

    Raises:
        InvalidParamsError: they hold something that JSON cannot.

    """
    try:
        return orjson.dumps({} if params is None else params)
    except TypeError as exc:
        raise InvalidParamsError(f"The params cannot be written as JSON: {exc}.") from exc


def write_hello(hello_id: str, session: str | None, accept: tuple[str, ...] = ()) -> bytes:
    """Write the first message of a connection; `session` is the one to resume."""
    message: dict[str, object] = {"action": "hello", "id": hello_id, "accept": accept}
    if session is not None:
        message["session"] = session
    return orjson.dumps(message)
