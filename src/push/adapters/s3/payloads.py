"""Large payloads in S3: gzip-encoded JSON, which clients read by a presigned link."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.adapters.aws.clients import make_client
from push.errors import TransientError

_LEVEL = 6


class S3Payloads:
    """`push.protocol.ports.Payloads` on S3.

    Args:
        bucket: name of the bucket.
        make_client: makes the client of S3 on first use.

    """

    def __init__(self, bucket: str, make_client: Callable[[str], Any] = make_client) -> None:
        self._bucket = bucket
        self._make_client = make_client

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        return self._make_client("s3")

    def put(self, name: str, data: bytes) -> None:
        """See `Payloads.put`."""
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=name,
                # Without a timestamp, so that equal data make equal objects.
                Body=gzip.compress(data, _LEVEL, mtime=0),
                ContentType="application/json",
                ContentEncoding="gzip",
            )
        except (BotoCoreError, ClientError) as exc:
            raise TransientError("S3 did not store a payload.") from exc

    def link(self, name: str, seconds: int) -> str:
        """See `Payloads.link`."""
        params = {"Bucket": self._bucket, "Key": name}
        url: str = self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)
        return url
