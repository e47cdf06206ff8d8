"""boto3 clients for the embedded AWS: always with an explicit endpoint, never with the developer's own account."""

from __future__ import annotations

import threading
from typing import Any

import boto3
from botocore.config import Config

from local.embedded.aws_process import REGION

ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"  # noqa: S105
"""What the embedded AWS takes for its own account's: of presigned URLs it checks the signature."""


class AwsClients:
    """Makes each service's client once."""

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        # Any: the type stubs have an overload for each service's literal name, and this name is none.
        self._session: Any = boto3.Session(
            aws_access_key_id=ACCESS_KEY_ID, aws_secret_access_key=SECRET_ACCESS_KEY, region_name=REGION
        )
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()  # a session is not to be used by two threads at once

    def client(self, service: str) -> Any:  # noqa: ANN401  # botocore makes its clients' classes at run time
        """Return the client of `service`; it may be used by several threads."""
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
