"""AWS Signature Version 4 for requests without a query, and for URLs that whoever has them may get.

Sources: "Create a signed AWS API request", AWS IAM User Guide; "Authenticating Requests: Using Query Parameters",
Amazon S3 API Reference. The signing key, and all text that a second's requests share, is made once a second, which
leaves two hashes a request; botocore's signer, checked equal in tests, makes all of it each time.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from urllib.parse import quote, urlencode


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


def timestamp() -> str:
    """Return the current UTC time in the form that signatures use: `YYYYMMDDTHHMMSSZ`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


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
        """Return the same headers for a path as it is signed and the SHA-256 of the body in hex, which may be kept.

        What is signed is the path as sent, encoded once more; for S3 the path as sent. `also` are headers that are to
        be sent, and so to be signed, besides.
        """
        prepared = self._prepare(host, timestamp, also)
        canonical = f"{method}\n{encoded_path}{prepared.canonical_tail}{digest}"
        to_sign = prepared.to_sign_head + hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.digest(prepared.key, to_sign.encode(), "sha256").hex()
        return {**prepared.headers, "Authorization": prepared.authorization_head + signature}

    def presign(self, host: str, path: str, seconds: int, timestamp: str) -> str:
        """Return the query with which whoever has the URL may get it from S3.

        Args:
            host: as in the Host header.
            path: as sent.
            seconds: how long from `timestamp` on.
            timestamp: UTC as `YYYYMMDDTHHMMSSZ`.

        """
        day, token = timestamp[:8], self._credentials.session_token
        scope = self._scope(day)
        fields = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self._credentials.access_key}/{scope}",
            "X-Amz-Date": timestamp,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
            **({"X-Amz-Security-Token": token} if token else {}),
        }
        query = urlencode(sorted(fields.items()), safe="~", quote_via=quote)
        canonical = f"GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{digest}"
        signature = hmac.digest(self._key_of(day), to_sign.encode(), "sha256").hex()
        # In botocore's order, not in the one that is signed: a URL is the same whoever made it.
        return f"{urlencode(fields, safe='~', quote_via=quote)}&X-Amz-Signature={signature}"

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
        scope = self._scope(day)
        return _Prepared(
            canonical_tail=f"\n\n{lines}\n{names}\n",
            to_sign_head=f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n",
            authorization_head=f"AWS4-HMAC-SHA256 Credential={self._credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature=",
            headers={"X-Amz-Date": timestamp} | ({"X-Amz-Security-Token": token} if token else {}),
            key=self._key_of(day),
        )

    def _scope(self, day: str) -> str:
        return f"{day}/{self._region}/{self._service}/aws4_request"

    def _key_of(self, day: str) -> bytes:
        key = f"AWS4{self._credentials.secret_key}".encode()
        for part in (day, self._region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key
