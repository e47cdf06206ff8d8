"""The `@connections` API, with which a function sends to a connection, describes it, or closes it.

Sources: botocore's `apigatewaymanagementapi` model; "Use @connections commands in your backend service" (Developer
Guide). Every push takes this path, so the gateway answers synchronously.
"""

from __future__ import annotations

from collections import Counter
from typing import Final
from urllib.parse import unquote

import orjson

from local.gateway.http_connection import HttpConnection
from local.gateway.http_messages import JSON_TYPE, HttpRequest, response
from local.gateway.request_clock import iso_8601
from local.gateway.request_ids import is_well_formed
from local.gateway.websocket_connection import WebSocketConnection
from local.gateway.websocket_events import read_context
from local.gateway.websocket_stage import WebSocketStage

_SIGNATURE_PREFIX: Final = b"AWS4-HMAC-SHA256 Credential="
_SERVICE_SCOPE: Final = b"/execute-api/aws4_request"


class ManagementApi:
    """Answers `POST`, `GET` and `DELETE /<stage>/@connections/<connection id>`.

    `pushes` counts the answers to POST by status.
    """

    def __init__(self, stage: WebSocketStage) -> None:
        self.pushes: Counter[int] = Counter()
        self._stage = stage
        prefix = f"/{stage.api.stage}"
        # Some SDKs escape the `@`, others do not.
        self._prefixes = (f"{prefix}/@connections/".encode(), f"{prefix}/%40connections/".encode())

    def serves(self, target: bytes) -> bool:
        """Return whether a request target belongs to this API."""
        return target.startswith(self._prefixes)

    def answer(self, request: HttpRequest, http: HttpConnection) -> None:
        """Answer one request."""
        status, error, body = self._act(request)
        if request.method == b"POST":
            self.pushes[status] += 1
        request_id = self._stage.ids.draw()
        if error is None and not body:
            http.respond(_EMPTY_ANSWERS[status] % request_id.encode())
            return
        headers = [("x-amzn-RequestId", request_id)]
        if error is not None:
            headers.append(("x-amzn-ErrorType", error))
        if body:
            headers.append(("Content-Type", JSON_TYPE))
        http.respond(response(status, headers, body))

    def _act(self, request: HttpRequest) -> tuple[int, str | None, bytes]:
        """Carry out a request. Return the status, the type of the error if there is one, and the body."""
        authorization = request.header(b"authorization")
        if not authorization:
            return _error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        if not is_signature(authorization):
            return _error(403, "ForbiddenException", "Forbidden")
        connection_id = request.target.partition(b"?")[0].rpartition(b"/")[2].decode("latin-1")
        if "%" in connection_id:
            connection_id = unquote(connection_id)
        connection = self._stage.connections.get(connection_id)
        if connection is None:
            return _unknown(connection_id)
        match request.method:
            case b"POST":
                return self._post(connection, request.body)
            case b"GET":
                return 200, None, self._describe(connection)
            case b"DELETE":
                self._stage.delete(connection)
                return 204, None, b""
            case _:
                return _error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")

    def _post(self, connection: WebSocketConnection, data: bytes) -> tuple[int, str | None, bytes]:
        if len(data) > self._stage.limits.message_bytes:
            return _error(413, "PayloadTooLargeException", "Message too long")
        if connection.waiting_bytes + len(data) > self._stage.limits.outgoing_buffer_bytes:
            return _error(429, "LimitExceededException", "The client's buffer is full")
        return (200, None, b"") if self._stage.send(connection, _as_text(data)) else _GONE

    def _describe(self, connection: WebSocketConnection) -> bytes:
        members = read_context(connection.context)
        stage = self._stage
        idle_ms = int((stage.now() - connection.last_active) * 1000)
        description = {
            "connectedAt": iso_8601(members["connectedAt"]),
            "identity": {"userAgent": "", **members["identity"]},
            "lastActiveAt": iso_8601(stage.clock.moment().epoch_ms - idle_ms),
        }
        return orjson.dumps(description)


def is_signature(authorization: bytes) -> bool:
    """Return whether a header is a SigV4 signature for `execute-api`. On one machine, any credentials are accepted."""
    return (
        authorization.startswith(_SIGNATURE_PREFIX)
        and _SERVICE_SCOPE in authorization
        and b"SignedHeaders=" in authorization
        and b"Signature=" in authorization
    )


_GONE: Final = (410, "GoneException", b"")
_EMPTY_ANSWERS: Final = {
    200: b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: %b\r\nContent-Length: 0\r\n\r\n",
    204: b"HTTP/1.1 204 No Content\r\nx-amzn-RequestId: %b\r\n\r\n",
}


def _unknown(connection_id: str) -> tuple[int, str | None, bytes]:
    if is_well_formed(connection_id):
        return _GONE
    return _error(400, "BadRequestException", f"Invalid connectionId: {connection_id}")


def _error(status: int, error: str, message: str) -> tuple[int, str | None, bytes]:
    return status, error, orjson.dumps({"message": message})


def _as_text(data: bytes) -> bytes:
    """Return the data as UTF-8 for a text frame. Invalid bytes are replaced: a client would close on them."""
    if data.isascii():
        return data
    return data.decode("utf-8", "replace").encode()
