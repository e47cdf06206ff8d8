"""The requests of pushes: signed POSTs to `@connections`."""

from __future__ import annotations

import re
import time
from urllib.parse import quote, urlsplit

from push.adapters.aws.sigv4 import Signer

_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]+")


class PushRequests:
    """Renders requests to the management endpoint, `https://{host}/{stage}`; `signer` signs for `execute-api`."""

    def __init__(self, endpoint: str, signer: Signer) -> None:
        parts = urlsplit(endpoint)
        host = parts.hostname or ""
        self._host_header = host if parts.port is None else f"{host}:{parts.port}"
        self._path = f"{parts.path.rstrip('/')}/%40connections/"
        self._signed_path = quote(self._path, safe="/-_.~")
        self._signer = signer
        self._timestamp = (0, "")

    def render(self, connection_id: str, body: bytes, digest: str) -> bytes:
        """Return a signed request."""
        name = _escape(connection_id)
        # Encoding the name a second time changes only its percent signs.
        signed_path = self._signed_path + name.replace("%", "%25")
        headers = self._signer.sign("POST", self._host_header, signed_path, digest, self._now())
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = (
            f"POST {self._path}{name} HTTP/1.1\r\nHost: {self._host_header}\r\n{lines}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _now(self) -> str:
        second, text = self._timestamp
        now = int(time.time())
        if now != second:
            text = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
            self._timestamp = now, text
        return text


def _escape(connection_id: str) -> str:
    # Ids are base64. `quote` works byte by byte, and would take as long as signing the push.
    if _BASE64.fullmatch(connection_id):
        return connection_id.replace("=", "%3D").replace("+", "%2B").replace("/", "%2F")
    return quote(connection_id, safe="")
