"""Calls of a function's handler, with Lambda's rules for its answer."""

from __future__ import annotations

import contextlib
import decimal
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from local.functions.lambda_context import FunctionIdentity, LambdaContext
from local.functions.worker_frames import RAISED, RETURNED, RETURNED_TEXT

Handler = Callable[[Any, LambdaContext], Any]

_BUILDS_AT_IMPORT = "AWS_LAMBDA_INITIALIZATION_TYPE"
"""The variable with which a handler's module builds its parts when it is imported, as on Lambda."""

_OK = 200
_TEXT_MEMBERS = 2

# With these options orjson refuses what Lambda's serializer refuses; `_serialize_as_lambda_does` then decides.
_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


def load_handler(name: str) -> Handler:
    """Import `module.function` and return the function; the module may be dotted or have slashes.

    Raises whatever the import raises.
    """
    module_name, _, function_name = name.rpartition(".")
    module = importlib.import_module(module_name.replace("/", "."))
    handler: Handler = getattr(module, function_name)
    return handler


def import_ahead(name: str) -> None:
    """Import what a handler's module imports, without building the handler's parts; `load_handler` then does the rest.

    Only the parts load an application's modules, so `load_handler` sees these as they are saved then. It also reports
    what goes wrong here.
    """
    module_name = name.rpartition(".")[0].replace("/", ".")
    kind = os.environ.pop(_BUILDS_AT_IMPORT)
    with contextlib.suppress(Exception):
        importlib.import_module(module_name)
    os.environ[_BUILDS_AT_IMPORT] = kind
    sys.modules.pop(module_name, None)
    # A compiled file of code that is saved twice in a second would be taken for the newer one.
    sys.dont_write_bytecode = True


class HandlerCalls:
    """Calls one handler, one event at a time."""

    def __init__(self, function: FunctionIdentity, environment_id: str, timeout_seconds: int) -> None:
        self.handler: Handler = _no_handler
        self._function = function
        self._environment_id = environment_id
        self._timeout_ns = timeout_seconds * 1_000_000_000

    def call(self, number: int, event: bytes) -> tuple[int, bytes]:
        """Return the kind of the answer and its bytes; log and describe an exception as Lambda does."""
        deadline_ns = time.monotonic_ns() + self._timeout_ns
        context = LambdaContext(self._function, self._environment_id, number, deadline_ns)
        try:
            answer = self.handler(orjson.loads(event), context)
        except Exception as error:  # noqa: BLE001  # the function's own exception is its answer
            log_error(error)
            return RAISED, describe_error(error, context.aws_request_id)
        try:
            if (text := _text_of(answer)) is not None:
                return RETURNED_TEXT, text
            return RETURNED, _serialize(answer)
        except Exception as error:  # noqa: BLE001  # `default` and `__str__` of the answer's own types may raise anything
            return RAISED, _describe_marshal_error(error, context.aws_request_id)


def _no_handler(_event: object, _context: object) -> None:
    raise RuntimeError("the handler is not loaded")


def _text_of(answer: Any) -> bytes | None:  # noqa: ANN401  # a handler may return anything
    """Return the body of an answer that has only a body (`Invocation.is_text`), or None for any other answer."""
    if type(answer) is not dict or len(answer) != _TEXT_MEMBERS or "statusCode" not in answer or "body" not in answer:
        return None
    body = answer["body"]
    if type(body) is not str or answer["statusCode"] != _OK:
        return None
    try:
        return body.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can express
        return None


def _serialize(answer: object) -> bytes:
    try:
        return orjson.dumps(answer, option=_STRICT)
    except TypeError:  # orjson.JSONEncodeError is one
        return _serialize_as_lambda_does(answer)


def _serialize_as_lambda_does(answer: object) -> bytes:
    """Serialize as Lambda does: number keys, large integers, NaN and subclasses pass; decimals become floats."""
    return json.dumps(answer, default=_default).encode()


def _default(value: object) -> float:
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def describe_error(error: BaseException, invocation_id: str = "") -> bytes:
    """Return Lambda's error document for an exception."""
    document = {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": invocation_id,
        "stackTrace": traceback.format_list(_function_frames(error)),
    }
    return json.dumps(document).encode()


def _describe_marshal_error(error: Exception, invocation_id: str) -> bytes:
    document = {
        "errorMessage": f"Unable to marshal response: {error}",
        "errorType": "Runtime.MarshalError",
        "requestId": invocation_id,
        "stackTrace": [],
    }
    print(f"[ERROR] Runtime.MarshalError: {document['errorMessage']}")  # the function's log
    return json.dumps(document).encode()


def log_error(error: BaseException) -> None:
    """Write an exception to the function's log."""
    lines = ["[ERROR] " + "".join(traceback.format_exception_only(error)).strip(), "Traceback (most recent call last):"]
    frames = "".join(traceback.format_list(_function_frames(error))).rstrip("\n")
    print("\n".join([*lines, frames]) if frames else "\n".join(lines))  # the function's log


def _function_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the frames of the traceback without those of the runtime and the import system."""
    return [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_OWN_FILES)]


_OWN_FILES = (str(Path(__file__).parent), "<frozen importlib", importlib.__file__)
