"""Buckets of applications in S3, read on a bounded number of threads, with backoff when S3 throttles."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from push.backoff import backoff_seconds
from push.errors import ComputeFailedError, PushasideError, SourceThrottledError, TransientError

_THROTTLES = frozenset(
    {"SlowDown", "503", "ServiceUnavailable", "RequestLimitExceeded", "Throttling", "ThrottlingException"}
)
_ABSENT = frozenset({"NoSuchKey", "404"})
_REFUSALS = frozenset({"AccessDenied", "403", "NoSuchBucket", "InvalidBucketName", "KeyTooLongError"})

_BACKOFF_BASE_SECONDS = 0.2
_BACKOFF_CAP_SECONDS = 3.0
_THROTTLED_SECONDS = 12.0

_Answer = TypeVar("_Answer")


class S3Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """`push.sources.ports.BucketReader` on S3."""

    client: Any
    """A client of S3 with as many connections as the executor has threads."""
    name: str
    """The logical name, for sentences."""
    bucket: str
    """The physical name."""
    executor: Executor
    """Its number of threads limits the concurrent requests of all callers."""

    async def get(self, key: str) -> bytes | None:
        """See `BucketReader.get`."""
        return await self._with_backoff(partial(self._get, key))

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `BucketReader.get_many`."""
        async with asyncio.TaskGroup() as group:
            reads = {key: group.create_task(self._attempt(key)) for key in dict.fromkeys(keys)}
        found = [reads[key].result() for key in keys]
        for each in found:
            if isinstance(each, PushasideError):
                raise each
        return [each for each in found if not isinstance(each, PushasideError)]

    async def _attempt(self, key: str) -> bytes | PushasideError | None:
        # A group would wrap what a read raises.
        try:
            return await self.get(key)
        except PushasideError as exc:
            return exc

    async def list(self, prefix: str = "") -> list[str]:
        """See `BucketReader.list`."""
        keys: list[str] = []
        more: dict[str, str] = {}
        while True:
            answer = await self._with_backoff(partial(self._list, prefix, more))
            keys += (each["Key"] for each in answer.get("Contents", ()))
            if not answer.get("IsTruncated"):
                return keys
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    async def _with_backoff(self, read: Callable[[], _Answer]) -> _Answer:
        loop = asyncio.get_running_loop()
        until = loop.time() + _THROTTLED_SECONDS
        attempt = 0
        while True:
            attempt += 1
            try:
                return await loop.run_in_executor(self.executor, read)
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

    def _get(self, key: str) -> bytes | None:
        try:
            body: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except (BotoCoreError, ClientError) as exc:
            if _code_of(exc) in _ABSENT:
                return None
            raise self._translate(exc) from exc
        return body

    def _list(self, prefix: str, more: dict[str, str]) -> Any:  # noqa: ANN401 - as boto3's
        try:
            return self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **more)
        except (BotoCoreError, ClientError) as exc:
            raise self._translate(exc) from exc

    def _translate(self, exc: Exception) -> PushasideError:
        code = _code_of(exc)
        if code in _THROTTLES:
            return SourceThrottledError(
                f"S3 throttled the attempt to read the bucket `{self.name}`.", retry_after_ms=2000
            )
        if code in _REFUSALS:
            return ComputeFailedError(f"S3 refuses to read the bucket `{self.name}`: {code}.")
        return TransientError(f"S3 did not read the bucket `{self.name}`.")


def _code_of(exc: Exception) -> str:
    return str(exc.response.get("Error", {}).get("Code", "")) if isinstance(exc, ClientError) else ""
