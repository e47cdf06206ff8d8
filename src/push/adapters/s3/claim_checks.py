"""Claim checks in S3: a document too large for a queue message is stored, and the message carries its name."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.aws.clients import make_client
from push.errors import ErrorCode, QueueUnavailableError, RequestError, TransientError
from push.queues.bodies import (
    INLINE_BYTES,
    MAX_DOCUMENT_BYTES,
    claimed_name,
    compress,
    decode_body,
    decompress,
    encode_body,
    make_claim_check,
    parse_claim_check,
)

_ABSENT = frozenset({"NoSuchKey", "404"})


class ClaimChecks:
    """`push.queues.ports.QueueBodies`, which stores large documents in a bucket.

    Args:
        bucket: name of the bucket.
        make_client: makes the client of S3, once a large document needs it.

    """

    def __init__(self, bucket: str, make_client: Callable[[str], Any] = make_client) -> None:
        self._bucket = bucket
        self._make_client = make_client

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        return self._make_client("s3")

    def pack(self, document: str) -> str:
        """See `QueueBodies.pack`."""
        body = encode_body(document)
        return body if len(body.encode()) <= INLINE_BYTES else self._put(document)

    async def unpack(self, body: str) -> str:
        """See `QueueBodies.unpack`."""
        name = parse_claim_check(body)
        return decode_body(body) if name is None else await asyncio.to_thread(self._get, name)

    def _put(self, document: str) -> str:
        name = claimed_name(str(uuid.uuid4()))
        content = compress(document.encode())
        try:
            self._client.put_object(Bucket=self._bucket, Key=name, Body=content, ContentType="application/zstd")
        except (BotoCoreError, ClientError) as exc:
            raise QueueUnavailableError(f"S3 did not store a document that is too large for a message: {exc}") from exc
        return make_claim_check(name)

    def _get(self, name: str) -> str:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=name)
            content: bytes = answer["Body"].read(MAX_DOCUMENT_BYTES)
        except (BotoCoreError, ClientError) as exc:
            if isinstance(exc, ClientError) and exc.response.get("Error", {}).get("Code") in _ABSENT:
                sentence = f"The document of a message, {name!r}, has expired."
                raise RequestError(sentence, code=ErrorCode.NOT_FOUND) from exc
            raise TransientError(f"S3 did not return the document of a message: {exc}") from exc
        return decompress(content)
