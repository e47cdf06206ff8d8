"""How the values of options are read; each raises argparse's error, with a sentence, for what it can't be."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import orjson

from pushaside.connection import check_url
from pushaside.http.calls import check_http_url
from pushaside.reaching import say_reason


def seconds(text: str) -> float:
    """Read a number of seconds from the command line, more than 0."""
    value = _number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be more than 0 seconds")
    return value


def seconds_or_zero(text: str) -> float:
    """Read a number of seconds from the command line, 0 or more."""
    value = _number(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 seconds or more")
    return value


def number_of(things: str) -> Callable[[str], float]:
    """Return what reads how many of the things a second there are to be, more than 0."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {things}") from exc
        if not math.isfinite(value) or value <= 0:
            raise argparse.ArgumentTypeError(f"must be more than 0 {things} a second")
        return value

    return read


def whole_number(text: str) -> int:
    """Read a whole number from the command line, 1 or more."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)


def checked(check: Callable[[str], object]) -> Callable[[str], str]:
    """Return what reads a text that `check` raises no ValueError for."""

    def read(text: str) -> str:
        try:
            check(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from exc
        return text

    return read


http_url = checked(check_http_url)
websocket_url = checked(check_url)


def json_value(text: str | bytes) -> object:
    """Read any JSON from the command line."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise argparse.ArgumentTypeError(f"not JSON: {exc}") from exc


def json_object(text: str) -> dict[str, object]:
    """Read a JSON object: from the command line, from a file as `@FILE`, or from standard input as `-`."""
    value = json_value(_read_text(text))
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return value


def _read_text(text: str) -> str | bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_bytes()
    except OSError as exc:
        raise argparse.ArgumentTypeError(f"{text[1:]} cannot be read: {say_reason(exc)}") from exc


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from exc
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value
