"""AWS Signature Version 4 for requests without a query.

Source: "Create a signed AWS API request", AWS IAM User Guide. The signing key, and all text that a second's requests
share, is made once a second, which leaves two hashes a request; botocore's signer, checked equal in tests, makes all of
it each time.
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
    key: bytes


Headers = tuple[tuple[str, str], ...]
"""Further headers to sign: names in lower case, and values."""


class Signer:
    """Signs requests of one service in one region; may be used by several threads at once."""

    __slots__ = ("_credentials", "_prepared", "_region", "_service")

    def __init__(self, credentials: Credentials, *, service: str, region: str) -> None:
        self._credentials = credentials
        self._service = service
        self._region = region
        self._prepared: tuple[str, dict[tuple[str, Headers], _Prepared]] = "", {}

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

    def sign(
        self, method: str, host: str, encoded_path: str, digest: str, timestamp: str, also: Headers = ()
    ) -> dict[str, str]:
        """Return the same headers for a path encoded twice and the SHA-256 of the body in hex, which may be kept.

        `also` are headers that are to be sent, and so to be signed, besides.
        """
        prepared = self._prepare(host, timestamp, also)
        canonical = f"{method}\n{encoded_path}{prepared.canonical_tail}{digest}"
        to_sign = prepared.to_sign_head + hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.digest(prepared.key, to_sign.encode(), "sha256").hex()
        return {**prepared.headers, "Authorization": prepared.authorization_head + signature}

    def _prepare(self, host: str, timestamp: str, also: Headers) -> _Prepared:
        """Return what is the same for all such requests of one second."""
        second, of_second = self._prepared
        if second != timestamp:
            of_second = {}
            self._prepared = timestamp, of_second
        prepared = of_second.get((host, also))
        if prepared is None:
            prepared = of_second[host, also] = self._make(host, timestamp, also)
        return prepared

    def _make(self, host: str, timestamp: str, also: Headers) -> _Prepared:
        day, token = timestamp[:8], self._credentials.session_token
        signed = {
            "host": host,
            "x-amz-date": timestamp,
            **({"x-amz-security-token": token} if token else {}),
            **dict(also),
        }
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        return _Prepared(
            canonical_tail=f"\n\n{lines}\n{names}\n",
            to_sign_head=f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n",
            authorization_head=f"AWS4-HMAC-SHA256 Credential={self._credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature=",
            headers={"X-Amz-Date": timestamp} | ({"X-Amz-Security-Token": token} if token else {}),
            key=self._key_of(day),
        )

    def _key_of(self, day: str) -> bytes:
        key = f"AWS4{self._credentials.secret_key}".encode()
        for part in (day, self._region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key
