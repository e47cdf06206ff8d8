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


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The parts of signed requests that do not differ within a second."""

    canonical_tail: str
    to_sign_head: str
    authorization_head: str
    headers: dict[str, str]


class Signer:
    """Signs requests of one service in one region."""

    __slots__ = ("_credentials", "_day", "_key", "_prepared", "_region", "_service")

    def __init__(self, credentials: Credentials, *, service: str, region: str) -> None:
        self._credentials = credentials
        self._service = service
        self._region = region
        self._day = ""
        self._key = b""
        self._prepared: tuple[str, str, _Prepared] | None = None

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
        prepared = self._prepare(host, timestamp)
        canonical = f"{method}\n{encoded_path}{prepared.canonical_tail}{digest}"
        to_sign = prepared.to_sign_head + hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.digest(self._key, to_sign.encode(), "sha256").hex()
        return {**prepared.headers, "Authorization": prepared.authorization_head + signature}

    def _prepare(self, host: str, timestamp: str) -> _Prepared:
        """Return what is the same for all requests to a host in one second; the key is then that of its day."""
        if self._prepared is not None and self._prepared[0] == timestamp and self._prepared[1] == host:
            return self._prepared[2]
        day, token = timestamp[:8], self._credentials.session_token
        names = "host;x-amz-date;x-amz-security-token" if token else "host;x-amz-date"
        signed = f"host:{host}\nx-amz-date:{timestamp}\n" + (f"x-amz-security-token:{token}\n" if token else "")
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        headers = {"X-Amz-Date": timestamp} | ({"X-Amz-Security-Token": token} if token else {})
        prepared = _Prepared(
            canonical_tail=f"\n\n{signed}\n{names}\n",
            to_sign_head=f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n",
            authorization_head=f"AWS4-HMAC-SHA256 Credential={self._credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature=",
            headers=headers,
        )
        self._key = self._key_of(day)
        self._prepared = timestamp, host, prepared
        return prepared

    def _key_of(self, day: str) -> bytes:
        if day != self._day:
            key = f"AWS4{self._credentials.secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day, self._key = day, key
        return self._key
