"""The events for a WebSocket API's functions, as JSON.

Shapes: the sample events of "AWS_PROXY integrations for WebSocket APIs" and "Create a Lambda REQUEST authorizer
function" (Developer Guide). The constant part of a connection's events is serialized once, when it opens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from local.gateway.api import WebSocketApi
from local.gateway.request_clock import Moment

# Hop-by-hop headers: the authorizer gets them, `$connect` does not.
_HANDSHAKE_HEADERS: Final = frozenset(("connection", "upgrade", "content-length"))


@dataclass(frozen=True, slots=True)
class Client:
    """The client that opened a connection. `host` is the host name that the client used."""

    source_ip: str
    user_agent: str | None
    host: str


@dataclass(frozen=True, slots=True)
class HandshakeRequest:
    """The headers of a handshake, in order and with the case of names, and its undecoded query."""

    headers: tuple[tuple[str, str], ...]
    query: str


def connection_context(
    api: WebSocketApi,
    *,
    connection_id: str,
    connected_at_ms: int,
    client: Client,
    authorizer: Mapping[str, object] | None,
) -> bytes:
    """Return the constant members of `requestContext` in a connection's events, as JSON without braces."""
    identity = {"sourceIp": client.source_ip}
    if client.user_agent is not None:
        identity["userAgent"] = client.user_agent
    context: dict[str, object] = {
        "messageDirection": "IN",
        "stage": api.stage,
        "connectedAt": connected_at_ms,
        "identity": identity,
        "domainName": client.host,
        "connectionId": connection_id,
        "apiId": api.api_id,
    }
    if authorizer is not None:
        context["authorizer"] = authorizer
    return orjson.dumps(context)[1:-1]


def read_context(context: bytes) -> dict[str, Any]:
    """Return the members that `connection_context` serialized."""
    members: dict[str, Any] = orjson.loads(b"{%b}" % context)
    return members


def message_event(
    route_key: bytes, context: bytes, moment: Moment, request_id: str, message_id: str, body: str
) -> bytes:
    """Return a MESSAGE event. `route_key` is JSON already. Every message needs one, so it is assembled by hand."""
    return b'{"requestContext":{"routeKey":%b,"messageId":"%b","eventType":"MESSAGE",%b,%b},"body":%b,%b}' % (
        route_key,
        message_id.encode(),
        _request_members(moment, request_id),
        context,
        orjson.dumps(body),
        b'"isBase64Encoded":false',
    )


def message_context(route_key: str, context: bytes, moment: Moment, request_id: str, message_id: str) -> dict[str, Any]:
    """Return a MESSAGE event's `requestContext` as values."""
    members = b'{"messageId":"%b","eventType":"MESSAGE",%b,%b}'
    request = _request_members(moment, request_id)
    values: dict[str, Any] = orjson.loads(members % (message_id.encode(), request, context))
    return values | {"routeKey": route_key}


def connect_event(
    api: WebSocketApi, context: bytes, moment: Moment, request_id: str, handshake: HandshakeRequest
) -> bytes:
    """Return a CONNECT event, without the hop-by-hop headers."""
    shown = [(name, value) for name, value in handshake.headers if name.lower() not in _HANDSHAKE_HEADERS]
    event = _headers(shown) | {
        "requestContext": _connect_context(context, moment, request_id),
        "isBase64Encoded": False,
    }
    query = parse_qsl(handshake.query, keep_blank_values=True)
    if query:
        event |= _query(query)
    if api.stage_variables:
        event["stageVariables"] = dict(api.stage_variables)
    return orjson.dumps(event)


def authorizer_event(
    api: WebSocketApi, context: bytes, moment: Moment, request_id: str, handshake: HandshakeRequest
) -> bytes:
    """Return the event of a REQUEST authorizer."""
    event = {
        "type": "REQUEST",
        "methodArn": connect_arn(api),
        **_headers([*handshake.headers, ("content-length", "0")]),
        **_query(parse_qsl(handshake.query, keep_blank_values=True)),
        "stageVariables": dict(api.stage_variables),
        "requestContext": _connect_context(context, moment, request_id),
    }
    return orjson.dumps(event)


def disconnect_event(
    api: WebSocketApi, context: bytes, moment: Moment, request_id: str, status_code: int, reason: str
) -> bytes:
    """Return a DISCONNECT event."""
    members = read_context(context)
    headers = [("Host", members["domainName"]), ("x-api-key", ""), ("X-Forwarded-For", ""), ("x-restapi", "")]
    event = _headers(headers) | {
        "requestContext": {
            "routeKey": "$disconnect",
            "disconnectStatusCode": status_code,
            "eventType": "DISCONNECT",
            "disconnectReason": reason,
            **_request_values(moment, request_id),
            **members,
        },
        "isBase64Encoded": False,
    }
    if api.stage_variables:
        event["stageVariables"] = dict(api.stage_variables)
    return orjson.dumps(event)


def connect_arn(api: WebSocketApi) -> str:
    """Return the `methodArn` of a handshake, which an authorizer's policy must allow."""
    return f"arn:aws:execute-api:{api.region}:{api.account_id}:{api.api_id}/{api.stage}/$connect"


def _connect_context(context: bytes, moment: Moment, request_id: str) -> dict[str, object]:
    return {
        "routeKey": "$connect",
        "eventType": "CONNECT",
        **_request_values(moment, request_id),
        **read_context(context),
    }


def _request_values(moment: Moment, request_id: str) -> dict[str, object]:
    return {
        "extendedRequestId": request_id,
        "requestTime": moment.clf,
        "requestTimeEpoch": moment.epoch_ms,
        "requestId": request_id,
    }


def _request_members(moment: Moment, request_id: str) -> bytes:
    return b'"extendedRequestId":"%b","requestTime":"%b","requestTimeEpoch":%d,"requestId":"%b"' % (
        request_id.encode(),
        moment.clf.encode(),
        moment.epoch_ms,
        request_id.encode(),
    )


def _headers(headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {"headers": dict(headers), "multiValueHeaders": _grouped(headers)}


def _query(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {"queryStringParameters": dict(pairs), "multiValueQueryStringParameters": _grouped(pairs)}


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped
