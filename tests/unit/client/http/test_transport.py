"""Every exception of httpx becomes an error of the client, and tells no secret."""

from __future__ import annotations

import ssl

import httpx
import pytest

from pushaside.errors import CannotConnectError
from pushaside.http.transport import TRANSLATED, translate

MISUSES = {httpx.CookieConflict, httpx.StreamError}
"""What only a mistake in the client's own code raises: no cookies are set, and a body is read once."""

EXCEPTIONS = sorted(
    (each for each in vars(httpx).values() if isinstance(each, type) and issubclass(each, Exception)),
    key=lambda each: each.__name__,
)
LINK = "https://user:secret@bucket.example.com/key?X-Amz-Signature=secret"


def make(kind: type[Exception]) -> Exception:
    if kind is httpx.HTTPStatusError:
        return httpx.HTTPStatusError("secret", request=httpx.Request("GET", LINK), response=httpx.Response(500))
    return kind() if issubclass(kind, httpx.StreamError) and kind is not httpx.StreamError else kind("Broken")


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
def test_every_exception_of_httpx_is_translated_or_a_misuse(kind: type[Exception]) -> None:
    if issubclass(kind, tuple(MISUSES)):
        return
    assert issubclass(kind, TRANSLATED)
    error = translate(make(kind), LINK)
    assert isinstance(error, CannotConnectError)
    assert "secret" not in error.message
    assert "bucket.example.com" in error.message


@pytest.mark.parametrize(
    ("exc", "sentence", "retryable"),
    [
        (TimeoutError(), "bucket.example.com did not answer in time.", True),
        (ConnectionRefusedError(111, "x"), "Nothing answers at bucket.example.com: connection refused.", True),
        (httpx.ReadError(""), "bucket.example.com closed the connection before it answered.", True),
        (httpx.InvalidURL("secret"), "The address bucket.example.com cannot be used.", False),
        (
            httpx.LocalProtocolError("secret"),
            "The token or a header of the call to bucket.example.com is not valid.",
            False,
        ),
        (ssl.SSLError(1, "[SSL] wrong version"), "TLS with bucket.example.com failed: [SSL] wrong version.", True),
        (ImportError("no SOCKS"), "The proxy does not lead to bucket.example.com: no SOCKS.", False),
    ],
)
def test_an_exception_becomes_a_sentence(exc: Exception, sentence: str, retryable: bool) -> None:
    error = translate(exc, LINK)
    assert (error.message, error.retryable) == (sentence, retryable)


def test_the_deepest_cause_gives_the_reason() -> None:
    outer = httpx.ConnectError("All connection attempts failed")
    outer.__cause__ = OSError("All connection attempts failed")
    outer.__cause__.__cause__ = ExceptionGroup("attempts", [OSError(113, "x"), ConnectionRefusedError(111, "x")])

    assert translate(outer, LINK).message == "Nothing answers at bucket.example.com: connection refused."
