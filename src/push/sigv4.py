"""AWS Signature Version 4 for requests without a query.

Source: "Create a signed AWS API request", AWS IAM User Guide. A day's signing key is derived once, which leaves two
hashes a request; botocore's signer, checked equal in tests, derives it each time.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs; `session_token` is empty for long-lived keys."""

    access_key: str
    secret_key: str
    session_token: str = ""


class Signer:
    """Signs requests of one service in one region."""

    __slots__ = ("_credentials", "_day", "_key", "_region", "_service")

    def __init__(self, credentials: Credentials, *, service: str, region: str) -> None:
        self._credentials = credentials
        self._service = service
        self._region = region
        self._day = ""
        self._key = b""

    def headers(self, method: str, host: str, path: str, body: bytes, timestamp: str) -> dict[str, str]:
        """Return the headers that sign a request.

        Args:
            method: of HTTP.
            host: as in the Host header, with the port if it is not the scheme's own.
            path: as sent, already percent-encoded once; services other than S3 sign it encoded twice.
            body: as sent.
            timestamp: UTC as `YYYYMMDDTHHMMSSZ`.

        """
        return self.sign(method, host, quote(path, safe="/-_.~"), hashlib.sha256(body).hexdigest(), timestamp)

    def sign(self, method: str, host: str, encoded_path: str, digest: str, timestamp: str) -> dict[str, str]:
        """Return the same headers for a path encoded twice and the SHA-256 of the body in hex, which may be kept."""
        token = self._credentials.session_token
        names = "host;x-amz-date;x-amz-security-token" if token else "host;x-amz-date"
        signed = f"host:{host}\nx-amz-date:{timestamp}\n" + (f"x-amz-security-token:{token}\n" if token else "")
        canonical = f"{method}\n{encoded_path}\n\n{signed}\n{names}\n{digest}"
        scope = f"{timestamp[:8]}/{self._region}/{self._service}/aws4_request"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{hashed}"
        signature = hmac.digest(self._key_of(timestamp[:8]), to_sign.encode(), "sha256").hex()
        headers = {
            "X-Amz-Date": timestamp,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self._credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}",
        }
        if token:
            headers["X-Amz-Security-Token"] = token
        return headers

    def _key_of(self, day: str) -> bytes:
        if day != self._day:
            key = f"AWS4{self._credentials.secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day, self._key = day, key
        return self._key
