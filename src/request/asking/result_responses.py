"""Responses of `GET /results/{compute}`: the data alone, 304, a redirect to the payload, or a problem."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import msgspec

from push.access.handshakes import read_header
from push.errors import ErrorCode, PushasideError
from push.protocol.http_fields import accepts_gzip, entity_tag, find_match, freshness_fields
from push.protocol.payloads import LINK_FROM_BYTES, LINK_SECONDS, payload_name
from push.results import Status
from request.asking.engine import Answer
from request.http_messages import HttpResponse, json_response, problem_response

GZIP_FROM_BYTES = 1024

_TEXT_BYTES = 900_000
"""The largest body sent as text: a character may take six bytes in the JSON that the function returns."""

_MAX_BODY_CHARACTERS = 5_500_000
"""A function's response holds 6 MB ("Lambda quotas", Developer Guide)."""

_MAX_TAGS_CHARACTERS = 6000
"""All headers of a response together hold 10,240 bytes ("Amazon API Gateway quotas", Developer Guide)."""

_LEVEL = 4
_GZIP_FORMAT = 31

Encode = Callable[[Answer], str]
Link = Callable[[str, int], str]


class _StoredError(msgspec.Struct):
    code: str
    message: str
    retry_after_ms: int | None = None


_error_decoder = msgspec.json.Decoder(_StoredError)


class ResultRenderer(msgspec.Struct, frozen=True):
    """Renders results for one execution environment.

    Args:
        encode: returns data as base64 of gzip, from memory; empty if that saves nothing or the data need a link.
        link: makes a URL from a payload's name, valid for so many seconds.
        is_open: callers need no token, and all get the same results.
        guarded: names of the computes with a rule `authorize`, for which no cache may answer.
        explains: responses tell which tags the result has.

    """

    encode: Encode
    link: Link
    is_open: bool
    guarded: Container[str] = ()
    explains: bool = False

    def render(self, event: Mapping[str, Any], answer: Answer) -> HttpResponse:
        """Return the response to an event."""
        key = answer.key
        is_public = (self.is_open or key.tenant is None) and key.principal is None
        fields = freshness_fields(answer.result, answer.asked_at_ms, is_public=is_public)
        if key.compute in self.guarded:
            # Even the caller's own cache asks again at every use (RFC 9111, 5.2.2.4).
            fields["cache-control"] = "private, no-cache"
        fields["vary"] = "Accept-Encoding" if self.is_open else "Accept-Encoding, Authorization"
        if self.explains:
            fields |= _tag_fields(answer.result.tags)
        if answer.result.status is Status.FAILURE:
            return problem_response(_stored_error(answer.result.data), fields)
        is_gzip = accepts_gzip(read_header(event, "Accept-Encoding"))
        match = find_match(read_header(event, "If-None-Match"), answer.result.etag)
        if match is not None:
            # `*` names no entity tag, so the response names the one of the data that it replaces.
            etag = entity_tag(answer.result.etag, is_gzip=is_gzip and _may_encode(answer)) if match == "*" else match
            return {"statusCode": 304, "headers": {**fields, "etag": etag}}
        return self._render_data(answer, fields, is_gzip=is_gzip and _may_encode(answer))

    def _render_data(self, answer: Answer, fields: dict[str, str], *, is_gzip: bool) -> HttpResponse:
        encoded = self._gzip(answer) if is_gzip else ""
        headers = {"content-type": "application/json", **fields, "etag": entity_tag(answer.result.etag, is_gzip=False)}
        if encoded and len(encoded) <= _MAX_BODY_CHARACTERS:
            headers |= {"content-encoding": "gzip", "etag": entity_tag(answer.result.etag, is_gzip=True)}
            return _binary_response(headers, encoded)
        data = answer.result.data
        if len(data) <= _TEXT_BYTES:
            return {"statusCode": 200, "headers": headers, "body": data.decode()}
        if len(data) * 4 // 3 <= _MAX_BODY_CHARACTERS:
            return _binary_response(headers, base64.b64encode(data).decode())
        return self._redirect(answer, fields)

    def _gzip(self, answer: Answer) -> str:
        data = answer.result.data
        if len(data) < LINK_FROM_BYTES:
            return self.encode(answer)
        compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
        compressed = compressor.compress(data) + compressor.flush()
        return base64.b64encode(compressed).decode() if len(compressed) < len(data) else ""

    def _redirect(self, answer: Answer, fields: Mapping[str, str]) -> HttpResponse:
        """Redirect to the payload, which is stored encoded, whatever the client accepts.

        No cache stores the response, because the link expires.
        """
        url = self.link(payload_name(answer.key, answer.result.etag), LINK_SECONDS)
        kept = {name: value for name, value in fields.items() if name not in ("age", "cache-control")}
        return json_response(307, msgspec.json.encode({"url": url}), {**kept, "location": url})


def _tag_fields(tags: Sequence[str]) -> dict[str, str]:
    """Return the headers that name the tags of a result, as JSON in ASCII, and how many there was no room for."""
    told = list(tags)
    while len(text := json.dumps(told)) > _MAX_TAGS_CHARACTERS:
        told = told[: len(told) // 2]
    left_out = len(tags) - len(told)
    return {"pushaside-tags": text, **({"pushaside-tags-left-out": str(left_out)} if left_out else {})}


def _may_encode(answer: Answer) -> bool:
    return len(answer.result.data) >= GZIP_FROM_BYTES


def _binary_response(headers: dict[str, str], body: str) -> HttpResponse:
    return {"statusCode": 200, "headers": headers, "body": body, "isBase64Encoded": True}


def _stored_error(data: bytes) -> PushasideError:
    stored = _error_decoder.decode(data)
    code = ErrorCode(stored.code) if stored.code in list(ErrorCode) else ErrorCode.COMPUTE_FAILED
    return PushasideError(stored.message, code=code, retry_after_ms=stored.retry_after_ms)
