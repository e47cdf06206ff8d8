"""Payloads in S3: gzip-encoded JSON, read by whoever was given a link."""

from __future__ import annotations

import gzip
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.errors import TransientError

_LEVEL = 6


class S3Payloads:
    """`push.ports.Payloads` on S3."""

    def __init__(self, client: Any, bucket: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._bucket = bucket

    def put(self, name: str, data: bytes) -> None:
        """See `Payloads.put`."""
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=name,
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
