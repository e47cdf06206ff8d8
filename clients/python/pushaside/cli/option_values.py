"""Parsers for the values of options; each raises argparse's error with a sentence for an invalid value."""

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
    """Parse a number of seconds, more than 0."""
    value = _number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be more than 0 seconds")
    return value


def seconds_or_zero(text: str) -> float:
    """Parse a number of seconds, 0 or more."""
    value = _number(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 seconds or more")
    return value


def number_of(things: str) -> Callable[[str], float]:
    """Return a parser for a rate: how many of the things a second, more than 0."""

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
    """Parse a whole number, 1 or more."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)


def checked(check: Callable[[str], object]) -> Callable[[str], str]:
    """Return a parser that accepts a text unless `check` raises ValueError for it."""

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
    """Parse a JSON value."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise argparse.ArgumentTypeError(f"not JSON: {exc}") from exc


def json_object(text: str) -> dict[str, object]:
    """Parse a JSON object, given as JSON, as `@FILE`, or as `-` for standard input."""
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
