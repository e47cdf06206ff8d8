"""Payload format 2.0: the events for an HTTP API's functions, and the answers that they may return.

Source: "Create AWS Lambda proxy integrations for HTTP APIs" (Developer Guide).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from local.gateway.api import HttpApi
from local.gateway.cross_origin import HEADER_PREFIX, Headers
from local.gateway.http_messages import JSON_TYPE, HttpRequest, response
from local.gateway.request_clock import Moment

_TEXT_TYPES: Final = frozenset(("application/json", "application/javascript", "application/xml"))
_TEXT_SUFFIXES: Final = ("+json", "+xml")
_GATEWAYS_OWN: Final = frozenset(("connection", "content-length", "transfer-encoding", "keep-alive", "upgrade"))


class MalformedAnswerError(Exception):
    """A function's answer is not valid in format 2.0."""


def http_event(
    api: HttpApi,
    *,
    route_key: str,
    path_parameters: Mapping[str, str],
    request: HttpRequest,
    headers: Iterable[tuple[str, str]],
    source_ip: str,
    request_id: str,
    moment: Moment,
) -> bytes:
    """Return the event of one request. `headers` are the request's, and those that the gateway adds."""
    named = [(name.lower(), value) for name, value in headers]
    joined = _joined(pair for pair in named if pair[0] != "cookie")
    cookies = ";".join(value for name, value in named if name == "cookie").split(";")
    host = joined.get("host", "")
    body, is_base64 = _body(request.body, joined.get("content-type", ""), encoded="content-encoding" in joined)
    path = request.path
    event: dict[str, object] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": joined,
        "requestContext": {
            "accountId": api.account_id,
            "apiId": api.api_id,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": request.method.decode(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": source_ip,
                "userAgent": joined.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": route_key,
            "stage": api.stage,
            "time": moment.clf,
            "timeEpoch": moment.epoch_ms,
        },
        "isBase64Encoded": is_base64,
    }
    optional = {
        "cookies": [cookie.strip() for cookie in cookies if cookie.strip()],
        "queryStringParameters": _joined(parse_qsl(request.query, keep_blank_values=True)),
        "pathParameters": path_parameters,
        "stageVariables": api.stage_variables,
        "body": body,
    }
    return orjson.dumps(event | {name: value for name, value in optional.items() if value})


def http_response(payload: bytes, request_id: str, cors: Headers | None = None, *, head: bool) -> bytes:
    """Return the HTTP response for a function's answer.

    An object with a `statusCode` is a response; any other JSON value is the body of a 200. `cors` are the headers that
    replace the function's own CORS headers, or None if CORS is not configured. Raises MalformedAnswerError.
    """
    try:
        answer = orjson.loads(payload)
        own = [*(cors or ()), ("Apigw-Requestid", request_id)]
        if isinstance(answer, dict) and "statusCode" in answer:
            headers = _response_headers(answer)
            if cors is not None:
                headers = [each for each in headers if not each[0].lower().startswith(HEADER_PREFIX)]
            return response(_status(answer["statusCode"]), headers + own, _response_body(answer), head=head)
        body = answer.encode() if isinstance(answer, str) else orjson.dumps(answer)
        return response(200, [("Content-Type", JSON_TYPE), *own], body, head=head)
    except (orjson.JSONDecodeError, ValueError) as error:
        raise MalformedAnswerError(str(error)) from error


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return pairs as a mapping. Values of the same name are joined by commas."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _body(body: bytes, content_type: str, *, encoded: bool) -> tuple[str, bool]:
    """Return a request's body for an event, and whether it is base64."""
    media_type = content_type.partition(";")[0].strip().lower()
    is_text = not media_type or media_type.startswith("text/") or media_type in _TEXT_TYPES
    if (is_text or media_type.endswith(_TEXT_SUFFIXES)) and not encoded:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # the body is binary, whatever its type says
    return base64.b64encode(body).decode(), bool(body)


def _status(value: object) -> int:
    if isinstance(value, str) and len(value) == 3 and value.isdecimal():
        value = int(value)
    if type(value) is not int or not 200 <= value < 600:
        raise MalformedAnswerError("`statusCode` is not a number from 200 to 599")
    return value


def _response_headers(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    headers = answer.get("headers") or {}
    cookies = answer.get("cookies") or []
    if not isinstance(headers, dict) or not isinstance(cookies, list):
        raise MalformedAnswerError("`headers` is not an object, or `cookies` is not a list")
    named = [(name, _header_value(value)) for name, value in headers.items() if name.lower() not in _GATEWAYS_OWN]
    if not any(name.lower() == "content-type" for name, _ in named):
        named.append(("Content-Type", "text/plain;charset=UTF-8"))
    return named + [("Set-Cookie", str(cookie)) for cookie in cookies]


def _header_value(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return orjson.dumps(value).decode()
    raise MalformedAnswerError("a value in `headers` is not a string, number or boolean")


def _response_body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedAnswerError("`body` is not a string")
    if not answer.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise MalformedAnswerError("`body` is not base64, but `isBase64Encoded` is set") from error
