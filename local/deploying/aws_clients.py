"""boto3 clients of the embedded AWS, which never use the developer's own account."""

from __future__ import annotations

import threading
from typing import Any

import boto3
from botocore.config import Config

from local.embedded.aws_process import REGION

ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"  # noqa: S105
"""The secret key that the embedded AWS uses to verify the signatures of presigned URLs."""


class AwsClients:
    """Makes each service's client once."""

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        # Any, because the type stubs have overloads only for literal service names.
        self._session: Any = boto3.Session(
            aws_access_key_id=ACCESS_KEY_ID, aws_secret_access_key=SECRET_ACCESS_KEY, region_name=REGION
        )
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()  # a session is not thread-safe

    def client(self, service: str) -> Any:  # noqa: ANN401  # botocore makes its clients' classes at run time
        """Return the client of `service`, which several threads may use."""
        with self._making:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service, endpoint_url=self.endpoint_url, config=_CONFIGURATION
                )
            return self._clients[service]


_CONFIGURATION = Config(
    retries={"total_max_attempts": 2},
    connect_timeout=5,
    read_timeout=60,
    s3={"addressing_style": "path"},
)
