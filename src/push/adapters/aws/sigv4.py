"""AWS Signature Version 4, for requests and for presigned URLs of S3.

The signing key and the text that all requests of a second share are computed once a second, which leaves two hashes per
request. botocore's signer computes everything each time; tests check that the signatures are equal.

Sources: "Create a signed AWS API request", AWS IAM User Guide; "Authenticating Requests: Using Query Parameters",
Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import quote, urlencode

import msgspec


class Credentials(msgspec.Struct, frozen=True):
    """Keys to sign with; `session_token` is empty for long-lived keys."""

    access_key: str
    secret_key: str
    session_token: str = ""


class _Prepared(msgspec.Struct, frozen=True):
    """The parts of a signed request that are constant within a second."""

    canonical_tail: str
    to_sign_head: str
    authorization_head: str
    headers: dict[str, str]
    key: bytes


def timestamp() -> str:
    """Return the current UTC time in the form that signatures use: `YYYYMMDDTHHMMSSZ`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


Headers = tuple[tuple[str, str], ...]
"""Further headers to sign: (name in lower case, value) pairs."""


class Signer:
    """Signs requests for one service in one region; thread-safe."""

    __slots__ = ("_credentials", "_prepared", "_region", "_service")

    def __init__(self, credentials: Credentials, *, service: str, region: str) -> None:
        self._credentials = credentials
        self._service = service
        self._region = region
        self._prepared: tuple[str, dict[tuple[str, Headers], _Prepared]] = "", {}

    def headers(self, method: str, host: str, path: str, body: bytes, timestamp: str) -> dict[str, str]:
        """Return the headers that sign a request.

        Args:
            method: the HTTP method.
            host: the Host header, with the port unless it is the scheme's default.
            path: as sent, percent-encoded once; every service but S3 signs it encoded twice.
            body: as sent.
            timestamp: UTC as `YYYYMMDDTHHMMSSZ`.

        """
        return self.sign(method, host, quote(path, safe="/-_.~"), hashlib.sha256(body).hexdigest(), timestamp)

    def sign(
        self,
        method: str,
        host: str,
        encoded_path: str,
        digest: str,
        timestamp: str,
        also: Headers = (),
        query: str = "",
    ) -> dict[str, str]:
        """Return the headers that sign a request, from parts that callers may cache.

        `encoded_path` is the path as it is signed: the sent path encoded once more, or for S3 the sent path itself.
        `digest` is the SHA-256 of the body in hex. `also` holds further headers that the caller sends. `query` is
        sorted and percent-encoded.
        """
        prepared = self._prepare(host, timestamp, also)
        canonical = f"{method}\n{encoded_path}\n{query}{prepared.canonical_tail}{digest}"
        to_sign = prepared.to_sign_head + hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.digest(prepared.key, to_sign.encode(), "sha256").hex()
        return {**prepared.headers, "Authorization": prepared.authorization_head + signature}

    def presign(self, host: str, path: str, seconds: int, timestamp: str) -> str:
        """Return the query of a presigned URL, which gets an object from S3 without further credentials.

        Args:
            host: the Host header.
            path: as sent.
            seconds: how long the URL is valid, from `timestamp` on.
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
        # In botocore's order, which is not the signed order, so that the URL equals botocore's.
        return f"{urlencode(fields, safe='~', quote_via=quote)}&X-Amz-Signature={signature}"

    def _prepare(self, host: str, timestamp: str, also: Headers) -> _Prepared:
        """Return the parts that all such requests of one second share."""
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
            canonical_tail=f"\n{lines}\n{names}\n",
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
