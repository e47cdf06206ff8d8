"""Documents in S3: loaded in parallel on a bounded number of threads, with backoff when S3 throttles."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from push.backoff import backoff_seconds
from push.errors import ComputeFailedError, ErrorCode, SourceThrottledError, TransientError
from push.sources.documents import Reference, check_bytes

_THROTTLES = frozenset(
    {"SlowDown", "503", "ServiceUnavailable", "RequestLimitExceeded", "Throttling", "ThrottlingException"}
)
_ABSENT = frozenset({"NoSuchKey", "404"})

_BACKOFF_BASE_SECONDS = 0.2
_BACKOFF_CAP_SECONDS = 3.0


class S3Documents(msgspec.Struct, frozen=True, kw_only=True):
    """`push.sources.ports.DocumentStore` on S3."""

    client: Any
    """A client of S3 with as many connections as the executor has threads."""
    bucket: str
    executor: Executor
    """Its number of threads limits the concurrent requests of all callers."""

    async def load(self, references: Sequence[Reference], seconds: float) -> list[bytes]:
        """See `DocumentStore.load`."""
        until = asyncio.get_running_loop().time() + seconds
        tasks = [asyncio.create_task(self._load_one(reference, until)) for reference in references]
        documents: list[bytes] = []
        try:
            loaded_bytes = 0
            for task in tasks:
                documents.append(await task)
                loaded_bytes += len(documents[-1])
                check_bytes(loaded_bytes)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return documents

    async def _load_one(self, reference: Reference, until: float) -> bytes:
        loop = asyncio.get_running_loop()
        attempt = 0
        while True:
            attempt += 1
            try:
                return await loop.run_in_executor(self.executor, self._get, reference)
            except SourceThrottledError:
                pause = backoff_seconds(
                    attempt,
                    random.random(),  # noqa: S311 - spreads load
                    base_seconds=_BACKOFF_BASE_SECONDS,
                    cap_seconds=_BACKOFF_CAP_SECONDS,
                )
                if loop.time() + pause >= until:
                    raise
                await asyncio.sleep(pause)

    def _get(self, reference: Reference) -> bytes:
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=reference.object_key)
            # The object may have grown since the index was written.
            check_bytes(answer["ContentLength"])
            body: bytes = answer["Body"].read()
        except (BotoCoreError, ClientError) as exc:
            raise _translate(exc, reference) from exc
        return body


def _translate(exc: Exception, reference: Reference) -> ComputeFailedError | TransientError:
    code = str(exc.response.get("Error", {}).get("Code", "")) if isinstance(exc, ClientError) else ""
    if code in _ABSENT:
        sentence = f"The document {reference.document_id!r} is in the index, but not in the store."
        return ComputeFailedError(sentence, code=ErrorCode.NOT_FOUND)
    if code in _THROTTLES:
        return SourceThrottledError("S3 throttled the request for a document; try again later.", retry_after_ms=2000)
    return TransientError(f"S3 did not return the document {reference.document_id!r}.")
